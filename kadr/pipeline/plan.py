"""The plan before the spending: what a run would find, what it would compute and why, and what that would cost.

It plays the run against the store without writing: tasks whose results are there count as done, so the inputs of the next
are known; what hangs on a miss *depends*: its key is not known before the miss is computed. Of a task that lacks only some of its
outputs, who reads the others is none the worse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kadr.contracts.run import ACQUIRE, Record, RecordResult, Request, TaskState
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.epochs import Stored
from kadr.pipeline.explaining import why_missing
from kadr.pipeline.recording import acquired, found_record, lookup
from kadr.pipeline.remaking import Remade, remade
from kadr.pipeline.spec import SourceRef, TaskSpec, spec_of
from kadr.pipeline.state import Memo, RunState, Task, evaluate
from kadr.storage import layout
from kadr.storage.store import ObjectStore

EXPIRED = "its payload has expired"
UNKNOWN = "f" * 64
"""Stands for the digest of an output that is not there."""
Costs = Mapping[str, tuple[float, float]]
"""The least and the most seconds of computing that a minute of media takes, by component."""


@dataclass(frozen=True)
class Row:
    """What would become of one component. ``why``: for misses the fields that changed, for the rest what they wait for.

    ``seconds_low``: at the least cost, in proportion to the outputs that tasks still have to make, what is not known yet left
    out; ``seconds_high``: at the most, as if each made all of its outputs, what is not known yet included.
    """

    component: str
    stage: str
    hits: int = 0
    misses: int = 0
    depends: bool = False
    why: tuple[str, ...] = ()
    seconds_low: float = 0.0
    seconds_high: float = 0.0

    @property
    def verdict(self) -> str:
        """hit | miss | depends."""
        return "miss" if self.misses else "depends" if self.depends else "hit"


@dataclass
class Played:
    """A run played against the store: the state it gets to, and the specs that would have to be computed.

    ``wanted`` of such a spec: only the outputs that are not there.
    """

    owner: str
    state: RunState
    missing: dict[str, TaskSpec] = field(default_factory=dict)


def play(
    store: ObjectStore,
    request: Request,
    source: SourceRef,
    refresh: bool = False,
    recorded: Mapping[str, Stored] | None = None,
) -> Played:
    """Take every hit there is, without writing anything. ``recorded``: the objects of a run that is to go on."""
    objects = dict(recorded or {})
    memo: Memo = {}
    missing: dict[str, TaskSpec] = {}
    while True:
        played = Played(request.owner, evaluate(request, objects, memo), missing)
        before = len(objects)
        for task in played.state.tasks.values():
            if task.state is TaskState.READY and not _hangs(task):
                _take(store, request, source, refresh, task, played, objects)
        if len(objects) == before:
            return played


def _hangs(task: Task) -> bool:
    """Whether the task is to wait for an output that is not there."""
    return task.state is TaskState.WAITING or any(i.digest == UNKNOWN for i in task.inputs)


def _take(
    store: ObjectStore,
    request: Request,
    source: SourceRef,
    refresh: bool,
    task: Task,
    played: Played,
    objects: dict[str, Stored],
) -> None:
    record: Record
    if task.component == ACQUIRE:
        record = acquired(request)
    else:
        spec = spec_of(request, played.state, task, source, refresh)
        found = {} if refresh else lookup(store, spec)
        left = tuple(w for w in spec.wanted if w.name not in found)
        if left:
            played.missing[task.name] = replace(spec, wanted=left)
        if left and not found:
            return
        there = tuple(w for w in spec.wanted if w.name in found)
        record = found_record(store, replace(spec, wanted=there), found)
        unknown = (RecordResult(name=w.name, key=w.key, digest=UNKNOWN) for w in left)
        record = record.model_copy(update={"results": (*record.results, *unknown)})
    objects[layout.record_ok(played.state.epoch, record.task, record.key, record.digest)] = record


def rows(
    store: ObjectStore,
    catalogue: Catalogue,
    played: Played,
    duration_ms: int,
    costs: Costs,
) -> list[Row]:
    """One row a component, in the run's order. What ``costs`` does not know costs what it declares."""
    state, waiting = played.state, [t for t in played.state.tasks.values() if _hangs(t)]
    again = remade(store, played.owner, state, played.missing, waiting)
    return [
        _row(store, catalogue, played, again, node.component, duration_ms, costs)
        for node in state.graph.nodes
    ]


def _row(
    store: ObjectStore,
    catalogue: Catalogue,
    played: Played,
    again: Remade,
    component: str,
    duration_ms: int,
    costs: Costs,
) -> Row:
    state, entry = played.state, catalogue.components[component]
    tasks = state.of(component)
    missing = [played.missing[t.name] for t in tasks if t.name in played.missing]
    expired, perhaps = ([t for t in tasks if t.name in names] for names in (again.sure, again.perhaps))
    waiting = [t for t in tasks if _hangs(t)]
    depends = bool(waiting) or component in state.unplanned
    declared = entry.resources.cost(state.graph.node(component).models)
    least, most = (cost / 60_000 for cost in costs.get(component, (declared, declared)))
    outputs = len(state.graph.node(component).outputs)
    whole = sum(_media_ms(spec, duration_ms) for spec in missing)
    share = sum(_media_ms(spec, duration_ms) * len(spec.wanted) / outputs for spec in missing)
    once_more, at_most = (sum(_media_ms(t, duration_ms) for t in of) for of in (expired, perhaps))
    whole_ms = duration_ms if component in state.unplanned or not any(t.chunk for t in tasks) else 0
    open_ms = whole_ms or sum(t.chunk.end_ms - t.chunk.start_ms for t in waiting if t.chunk)
    why = why_missing(store, state, missing) if missing else ()
    if depends and not missing:
        why = tuple(_causes(state, played, component))
    if expired or perhaps:
        why = (*why, EXPIRED if expired else f"{EXPIRED}, and is made again if it is read")
    computed = {*played.missing, *again.sure}
    return Row(
        component,
        entry.stage.value,
        hits=sum(t.state is TaskState.SUCCEEDED and t.name not in computed for t in tasks),
        misses=sum(t.name in computed for t in tasks),
        depends=depends or bool(perhaps),
        why=why,
        seconds_low=rounded((share + once_more) * least),
        seconds_high=rounded((whole + once_more + at_most + (open_ms if depends else 0)) * most),
    )


def rounded(cost: float) -> float:
    """To tenths; less than that to its first digit, so that only what costs nothing is said to."""
    return round(cost, 1) if cost >= 0.1 else float(f"{cost:.1g}")


def _media_ms(spec: TaskSpec | Task, duration_ms: int) -> int:
    """Media ms that a task works on; a merge costs next to none."""
    if spec.merge:
        return 0
    return spec.chunk.end_ms - spec.chunk.start_ms if spec.chunk else duration_ms


def _causes(state: RunState, played: Played, component: str) -> Iterable[str]:
    """The missing components that ``component`` waits for, nearest first."""
    missing = {spec.component for spec in played.missing.values()}
    node = state.graph.node(component)
    nearest = [e.component for e in node.edges if e.component] + ([node.plan] if node.plan else [])
    seen: dict[str, None] = dict.fromkeys(nearest)
    queue = list(seen)
    found: dict[str, None] = {}
    while queue:
        name = queue.pop(0)
        if name in missing:
            found[name] = None
            continue
        before = state.graph.node(name)
        further = [e.component for e in before.edges if e.component] + ([before.plan] if before.plan else [])
        queue += [n for n in further if n not in seen]
        seen.update(dict.fromkeys(further))
    return [f"depends on {name}" for name in found]
