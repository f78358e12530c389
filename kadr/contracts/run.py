"""A run on paper: the request and its graph, the records of its tasks, and the marks that open and close its epochs.

These are the bodies of the objects under ``state/<owner>/<run_id>/``. Readers ignore fields they do not know.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from kadr.contracts.keys import record_digest
from kadr.contracts.media import ChunkSpan
from kadr.contracts.packs import View


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RunStatus(StrEnum):
    ADMISSION_PENDING = "admission_pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    WAITING = "waiting"
    READY = "ready"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    BLOCKED = "blocked"

    @property
    def terminal(self) -> bool:
        return self in (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.BLOCKED)


class Edge(_Stored):
    """One input of a node. ``name`` is its name in keys. ``mode``: the source itself, a whole-video or merged result, or
    the result of the same chunk. ``component`` None with another mode: an optional input that this run does not have. ``view``
    is what is read of a frame pack, None all of it.
    """

    name: str
    component: str | None = None
    output: str | None = None
    mode: Literal["source", "whole", "chunk"] = "whole"
    optional: bool = False
    view: View | None = None


class OutputNode(_Stored):
    name: str
    params: dict[str, Any]
    major: int


class MergeNode(_Stored):
    version: int
    params: dict[str, Any]
    models: dict[str, str]
    major: int


class Node(_Stored):
    """One component of a run with everything its keys are made of. ``models``: name → signature."""

    component: str
    version: int
    stage: str
    plan: str | None = None
    edges: tuple[Edge, ...]
    outputs: tuple[OutputNode, ...]
    params: dict[str, Any]
    models: dict[str, str]
    merge: MergeNode | None = None


class Graph(_Stored):
    """The nodes of a run in an order in which every node stands after those that it reads."""

    catalogue: str
    nodes: tuple[Node, ...]
    required: tuple[str, ...]

    def node(self, component: str) -> Node:
        return next(n for n in self.nodes if n.component == component)


class CaptionsFile(_Stored):
    """Captions that were named for a video, or lie beside it. ``unread``: why they were left out, in words that name it."""

    name: str
    unread: str | None = None


class Request(_Stored):
    """``request.json``: what was asked, normalised; opens epoch 1."""

    run_id: str
    owner: str
    video_id: str | None
    source: str
    source_name: str
    config_hash: str
    sampling_policy_version: str
    dataprocessor_version: str
    platform_id: str
    profile: dict[str, Any]
    profile_name: str
    models: dict[str, dict[str, Any]]
    graph: Graph
    created_ms: int
    refresh: bool = False
    """Compute everything again, whatever is stored."""
    captions_file: CaptionsFile | None = None
    """It is told, so a run answers no question that names another; results depend on its text alone."""
    priority: int = 5
    """0 to 9: of two ready tasks the one of higher priority goes first. What comes out does not depend on it."""
    callback_url: str | None = None
    """Told when the run ends."""
    cache_ttl_days: int | None = 3
    """Within it what was fetched from a URL is taken as it is (0: never, None: whenever it was); the profile's."""
    meta: dict[str, Any] = {}
    """What the asker wants to find again; nothing here reads it."""


class RecordResult(_Stored):
    name: str
    key: str
    digest: str
    cached: bool = False
    absent: str | None = None


ACQUIRE = "acquire"
"""The task that binds a run to the bytes it looks at. It has no key and no result: its record names the video."""
NO_KEY = "0" * 64


class Record(_Stored):
    """One run's pointer to the results of one task; ``plan``: the chunks of a chunk plan among them.

    ``video_id``: in the record of ``acquire``, and nowhere else.
    """

    task: str
    key: str
    results: tuple[RecordResult, ...]
    video_id: str | None = None
    plan: tuple[tuple[int, int, int], ...] | None = None
    gaps: tuple[tuple[int, int], ...] = ()
    warnings: tuple[str, ...] = ()
    """What was damaged in what this task read."""
    started_ms: int = 0
    seconds: float = 0.0
    device: str = ""
    remade: int = 0
    """How often its results' payload was made again and came out otherwise: of one key, the record last remade counts."""
    details: dict[str, Any] = {}

    @property
    def digest(self) -> str:
        return self.video_id or record_digest((r.name, r.key, r.digest) for r in self.results)

    @property
    def cached(self) -> bool:
        return all(r.cached for r in self.results)

    @property
    def absent(self) -> str | None:
        """Why all of it is empty by nature, e.g. ``no_audio``."""
        reasons = [r.absent for r in self.results]
        return reasons[0] if reasons and all(reasons) else None

    def chunks(self) -> tuple[ChunkSpan, ...]:
        return tuple(ChunkSpan(*span) for span in self.plan or ())

    def result(self, name: str | None) -> RecordResult:
        """The result named ``name``; None picks the one named like the component, or the first. Raises KeyError."""
        own = self.task.partition(".")[0]
        for result in self.results:
            if result.name == (name or own):
                return result
        if name is not None and name != own:
            raise KeyError(f"the record of {self.task} has no result {name!r}")
        return self.results[0]


class Failure(_Stored):
    """Given up on a task in this epoch."""

    task: str
    key: str
    code: str
    message: str
    attempts: int = 1
    at_ms: int = 0
    details: dict[str, Any] = {}


class Retry(_Stored):
    """Opens an epoch after the one before was closed, and pins the catalogue anew."""

    graph: Graph
    reason: str = ""
    at_ms: int = 0


class Cancelled(_Stored):
    """Ends the open epoch where it stands."""

    reason: str = ""
    at_ms: int = 0


class Done(_Stored):
    """Closes an epoch: it consists of exactly ``records`` (names below the run's state prefix), sorted."""

    manifest: str
    status: RunStatus
    records: tuple[str, ...]
