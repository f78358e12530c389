"""The manifest: everything about a closed run in one file; enough to rebuild the index, replay or verify it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr

from kadr.contracts.keys import sha256_json
from kadr.contracts.run import ACQUIRE, Failure, Graph, Record, Request, RunStatus


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ModelUse(_Frozen):
    """A model as a component used it."""

    name: str
    version: int
    signature: str
    engine: str
    precision: str
    licence: str = ""


class ComponentSummary(_Frozen):
    """What became of one component. ``state``: succeeded | partial | failed | blocked | absent. ``seconds``: computing."""

    stage: str
    version: int
    state: str
    reason: str = ""
    error: dict[str, str] | None = None
    gaps: tuple[tuple[int, int], ...] = ()
    warnings: tuple[str, ...] = ()
    tasks: int = 0
    computed: int = 0
    cached: int = 0
    seconds: float = 0.0
    models: tuple[ModelUse, ...] = ()
    device: str = ""


class RecordEntry(_Frozen):
    name: str
    record: Record | None = None
    failure: Failure | None = None


class Manifest(_Frozen):
    """Records are sorted by name; there is no clock of its own in it, so compiling it twice gives the same digest."""

    manifest_version: int = 1
    kadr_version: str
    request: Request
    graph: Graph
    epoch: int
    status: RunStatus
    components: dict[str, ComponentSummary]
    records: tuple[RecordEntry, ...]

    _named: str | None = PrivateAttr(None)

    @classmethod
    def named(cls, value: Any, digest: str) -> Manifest:
        """The manifest stored under ``digest``, which an earlier version with fewer fields may have written.

        Raises ValueError for what is none, or has not that digest.
        """
        if sha256_json(value) != digest:
            raise ValueError("it has not the content of its digest")
        found = cls.model_validate(value)
        found._named = digest
        return found

    @property
    def digest(self) -> str:
        return self._named or sha256_json(self.model_dump(mode="json"))

    def final(self, component: str) -> Record | None:
        """The record of the component's whole-video task (the merge's, for a chunked one), if it succeeded."""
        found = (e.record for e in self.records if e.record and e.record.task == component)
        return next(found, None)

    @property
    def video_id(self) -> str | None:
        """The bytes that the run looked at; None if they were never acquired."""
        acquired = self.final(ACQUIRE)
        return acquired.video_id if acquired is not None else None

    def view(self) -> dict[str, Any]:
        """The manifest as the render stage reads it: its own fields, with the request's beside them."""
        dumped = self.model_dump(mode="json")
        return {**dumped.pop("request"), **dumped, "video_id": self.video_id}
