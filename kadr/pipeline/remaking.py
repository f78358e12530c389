"""What a run would make again only because its payload has expired: who reads it needs more than its digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kadr.pipeline.spec import TaskSpec
from kadr.pipeline.state import Input, RunState, Task
from kadr.storage.results import ResultId, has_expired
from kadr.storage.store import ObjectStore


@dataclass(frozen=True)
class Remade:
    """Names of tasks: those that surely make theirs again, and those that do if what waits for others reads it."""

    sure: frozenset[str]
    perhaps: frozenset[str]


def remade(
    store: ObjectStore, owner: str, state: RunState, missing: Mapping[str, TaskSpec], waiting: Iterable[Task]
) -> Remade:
    """Whose payload is read by what is ``missing``, and by what is ``waiting`` for that; or by who makes it again for them."""
    sure = _makers(store, owner, state, (i for spec in missing.values() for i in spec.inputs))
    perhaps = _makers(store, owner, state, (i for task in waiting for i in _inputs(state, task)))
    return Remade(frozenset(sure), frozenset(perhaps - sure))


def _makers(store: ObjectStore, owner: str, state: RunState, inputs: Iterable[Input]) -> set[str]:
    done = (t for t in state.tasks.values() if t.record is not None)
    made = {(t.component, r.key, r.digest): t for t in done if t.record for r in t.record.results}
    found = set[str]()
    queue = list(inputs)
    while queue:
        i = queue.pop()
        maker = made.get((i.component, i.key or "", i.digest or ""))
        if maker is None or maker.name in found or i.absent:
            continue
        result = ResultId(owner, state.video_id or "", i.component, i.key or "", i.digest or "")
        if has_expired(store, result):
            found.add(maker.name)
            queue += maker.inputs
    return found


def _inputs(state: RunState, task: Task) -> Iterator[Input]:
    """Of a task that waits, as far as they are known: by its own chunk, or of all chunks while its plan is not known."""
    if task.inputs or (task.merge and task.component not in state.unplanned):
        yield from task.inputs
        return
    for edge in state.graph.node(task.component).edges:
        for maker in state.of(edge.component) if edge.component else ():
            if maker.record is not None and (task.chunk is None or maker.chunk in (None, task.chunk)):
                result = maker.record.result(edge.output)
                yield Input(edge, maker.component, result.key, result.digest, maker.chunk, result.absent)
