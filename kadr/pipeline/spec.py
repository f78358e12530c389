"""A task as it travels to a shell: everything that running it needs, and nothing that only planning needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kadr.contracts.errors import InvalidObject
from kadr.contracts.faults import first_fault
from kadr.contracts.media import ChunkSpan
from kadr.contracts.run import Record, Request
from kadr.pipeline.state import Input, RunState, Task, Wanted


@dataclass(frozen=True)
class SourceRef:
    """A user's own file, read in place: pinned by size and modification time."""

    path: str
    size: int
    mtime_us: int


@dataclass(frozen=True)
class ObjectRef:
    """A video in a bucket, read where it lies: pinned by its ETag, and by its version where the bucket keeps versions.

    ``bucket`` is empty for Kadr's own.
    """

    name: str
    size: int
    etag: str
    bucket: str = ""
    version: str = ""


AnySource = SourceRef | ObjectRef


@dataclass(frozen=True)
class TaskSpec:
    owner: str
    run_id: str
    video_id: str
    epoch: int
    task: str
    component: str
    version: int
    key: str
    wanted: tuple[Wanted, ...]
    inputs: tuple[Input, ...]
    chunk: ChunkSpan | None
    merge: bool
    gaps: tuple[tuple[int, int], ...]
    params: Mapping[str, Any]
    models: tuple[str, ...]
    source: AnySource
    refresh: bool = False
    remakes: Record | None = None
    """The record whose results' payload is gone and is to be made again."""

    @property
    def named(self) -> dict[str, Any]:
        """As events name it."""
        chunk = [self.chunk.start_ms, self.chunk.end_ms] if self.chunk else None
        return {"task": self.task, "component": self.component, "chunk": chunk, "merge": self.merge}


def spec_of(request: Request, state: RunState, task: Task, source: AnySource, refresh: bool) -> TaskSpec:
    """The spec of a task that is ready in ``state``."""
    node = state.graph.node(task.component)
    assert task.key is not None
    assert state.video_id is not None
    merging = task.merge and node.merge is not None
    return TaskSpec(
        owner=request.owner,
        run_id=request.run_id,
        video_id=state.video_id,
        epoch=state.epoch,
        task=task.name,
        component=task.component,
        version=node.version,
        key=task.key,
        wanted=task.wanted,
        inputs=task.inputs,
        chunk=task.chunk,
        merge=merging,
        gaps=task.gaps,
        params=node.merge.params if merging and node.merge else node.params,
        models=tuple(node.merge.models if merging and node.merge else node.models),
        source=source,
        refresh=refresh,
    )


_SPEC: TypeAdapter[TaskSpec] = TypeAdapter(TaskSpec)


def spec_to_json(spec: TaskSpec) -> dict[str, Any]:
    """``spec`` as it travels in events."""
    plain: dict[str, Any] = _SPEC.dump_python(spec, mode="json")
    return plain


def spec_from_json(plain: object) -> TaskSpec:
    """The spec that :func:`spec_to_json` made. Raises InvalidObject naming what is wrong."""
    try:
        return _SPEC.validate_python(plain)
    except ValidationError as error:
        raise InvalidObject(f"not a task: {first_fault(error)}") from error
