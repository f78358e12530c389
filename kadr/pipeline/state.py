"""A run's state as a pure function of the set of its objects. docs/objects.md gives the rules; nothing else decides.

Nothing here reads a clock, a store or a queue: equal objects give equal states, in whatever order they were found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kadr.contracts.keys import key_ingredients, sha256_json
from kadr.contracts.media import ChunkSpan
from kadr.contracts.run import (
    ACQUIRE,
    NO_KEY,
    Done,
    Edge,
    Failure,
    Graph,
    MergeNode,
    Node,
    Record,
    Request,
    RunStatus,
    TaskState,
)
from kadr.pipeline.epochs import Counting, Epochs, Objects
from kadr.storage.layout import task_name

Memo = dict[Any, Any]


@dataclass(frozen=True)
class Wanted:
    """One result a task is to make: its name, key, and what the key is the hash of."""

    name: str
    key: str
    ingredients: Mapping[str, Any]


@dataclass(frozen=True)
class Input:
    """One input that counts: the result it names, or None (an optional one that is not there)."""

    edge: Edge
    component: str = ""
    key: str | None = None
    digest: str | None = None
    chunk: ChunkSpan | None = None
    absent: str | None = None


@dataclass(frozen=True)
class Task:
    """One task and what is known of it. ``key`` and ``wanted`` are known from READY on."""

    name: str
    component: str
    state: TaskState
    chunk: ChunkSpan | None = None
    merge: bool = False
    key: str | None = None
    wanted: tuple[Wanted, ...] = ()
    inputs: tuple[Input, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    record: Record | None = None
    record_name: str | None = None
    failure: Failure | None = None
    reason: str = ""


@dataclass(frozen=True)
class RunState:
    status: RunStatus
    epoch: int
    graph: Graph
    tasks: Mapping[str, Task]
    closed: Done | None = None
    cancelled: bool = False
    unplanned: tuple[str, ...] = ()
    """Components whose chunk plan is not known yet."""

    @property
    def closable(self) -> bool:
        """Whether the open epoch may be closed now."""
        if self.closed is not None:
            return False
        return self.cancelled or (not self.unplanned and all(t.state.terminal for t in self.tasks.values()))

    @property
    def video_id(self) -> str | None:
        """The bytes that this run looks at, once they are acquired."""
        record = self.tasks[ACQUIRE].record
        return None if record is None else record.video_id

    def of(self, component: str) -> list[Task]:
        return [t for t in self.tasks.values() if t.component == component]

    def component_state(self, component: str) -> str:
        """waiting | running | succeeded | partial | failed | blocked | absent, for people."""
        tasks = self.of(component)
        states = {t.state for t in tasks}
        if component in self.unplanned or not all(s.terminal for s in states):
            return "running" if states & {TaskState.READY, TaskState.SUCCEEDED} else "waiting"
        final = next((t for t in tasks if t.merge), None)
        if final is not None and final.state is TaskState.SUCCEEDED:
            return (
                "partial" if final.gaps else "absent" if final.record and final.record.absent else "succeeded"
            )
        if TaskState.FAILED in states:
            some = final is None and TaskState.SUCCEEDED in states
            return "partial" if some else "failed"
        if TaskState.BLOCKED in states:
            return "partial" if final is None and TaskState.SUCCEEDED in states else "blocked"
        return "absent" if all(t.record and t.record.absent for t in tasks) else "succeeded"


def evaluate(request: Request, objects: Objects, memo: Memo | None = None) -> RunState:
    """The state of the run that ``request`` opened, given the objects found under its state prefix.

    ``memo`` keeps computed keys between calls for one run; it never changes what is returned.
    """
    epochs = Epochs.read(request.graph, objects)
    walk = _Walk(epochs.current, Counting.read(objects, epochs), {} if memo is None else memo)
    walk.acquire()
    for node in epochs.graph.nodes:
        walk.visit(node)
    state = RunState(
        RunStatus.RUNNING,
        epochs.current,
        epochs.graph,
        walk.tasks,
        epochs.closed,
        epochs.current in epochs.cancelled,
        tuple(walk.unplanned),
    )
    return replace(state, status=_status(state))


def outcome(state: RunState) -> RunStatus:
    """What an epoch that closes in this state amounts to."""
    if state.cancelled:
        return RunStatus.CANCELLED
    states = {n.component: state.component_state(n.component) for n in state.graph.nodes}
    if any(states.get(c) in ("failed", "blocked") for c in state.graph.required):
        return RunStatus.FAILED
    if any(s in ("failed", "blocked", "partial") for s in states.values()):
        return RunStatus.PARTIAL
    return RunStatus.COMPLETE


def _status(state: RunState) -> RunStatus:
    if state.closed is not None:
        return state.closed.status
    if state.cancelled:
        return RunStatus.CANCELLED
    return RunStatus.RUNNING if any(t.record or t.failure for t in state.tasks.values()) else RunStatus.QUEUED


class _Walk:
    """Visits nodes in order and settles each one's tasks from those before it."""

    def __init__(self, epoch: int, counting: Counting, memo: Memo) -> None:
        self.epoch = epoch
        self.counting = counting
        self.memo = memo
        self.tasks: dict[str, Task] = {}
        self.unplanned: list[str] = []
        self.plans: dict[str, tuple[str, tuple[ChunkSpan, ...]]] = {}

    def acquire(self) -> None:
        self._keep(self._recorded(Task(ACQUIRE, ACQUIRE, TaskState.READY, key=NO_KEY)))

    def visit(self, node: Node) -> None:
        if node.plan is None:
            self._settle(node, Task(node.component, node.component, TaskState.WAITING))
        else:
            self._visit_chunked(node, node.plan)
        self._learn_plan(node)

    def _learn_plan(self, node: Node) -> None:
        task = self.tasks.get(node.component)
        if task is not None and task.record is not None and task.record.plan is not None:
            digest = task.record.result("plan").digest
            self.plans[node.component] = (digest, task.record.chunks())

    def _visit_chunked(self, node: Node, maker: str) -> None:
        planner = self.tasks[maker]
        if planner.state in (TaskState.FAILED, TaskState.BLOCKED):
            reason = f"needs {maker}, which {_why(planner)}"
            self._keep(Task(node.component, node.component, TaskState.BLOCKED, merge=True, reason=reason))
            return
        if maker not in self.plans:
            self.unplanned.append(node.component)
            self._keep(Task(node.component, node.component, TaskState.WAITING, merge=node.merge is not None))
            return
        digest, spans = self.plans[maker]
        for index, span in enumerate(spans):
            name = task_name(node.component, digest, index)
            self._settle(node, Task(name, node.component, TaskState.WAITING, chunk=span))
        if node.merge is not None:
            self._settle_merge(node, maker, digest, spans)

    def _settle(self, node: Node, task: Task) -> None:
        if (source := self.tasks[ACQUIRE]).state is TaskState.FAILED:
            # Also what can do without all that it reads: without a video there is nothing to tell.
            reason = f"needs {ACQUIRE}, which {_why(source)}"
            return self._keep(replace(task, state=TaskState.BLOCKED, reason=reason))
        inputs: list[Input] = []
        waiting = ""
        for edge in node.edges:
            provider = self._provider(edge, task)
            if provider is None:
                inputs.append(Input(edge))
            elif provider.state is TaskState.SUCCEEDED:
                inputs.append(self._input(edge, provider))
            elif not provider.state.terminal:
                waiting = waiting or f"waits for {provider.name}"
            elif edge.optional:
                inputs.append(Input(edge))
            else:
                reason = f"needs {provider.name}, which {_why(provider)}"
                return self._keep(replace(task, state=TaskState.BLOCKED, reason=reason))
        if waiting:
            return self._keep(replace(task, reason=waiting))
        return self._keep(self._keyed(node, replace(task, inputs=tuple(inputs))))

    def _provider(self, edge: Edge, task: Task) -> Task | None:
        if edge.mode == "source":
            return self.tasks[ACQUIRE]
        if edge.component is None:
            return None
        if edge.mode == "whole" or task.chunk is None:
            return self.tasks[edge.component]
        suffix = task.name.partition(".")[2]
        return self.tasks.get(f"{edge.component}.{suffix}", self.tasks.get(edge.component))

    @staticmethod
    def _input(edge: Edge, provider: Task) -> Input:
        assert provider.record is not None
        if edge.mode == "source":
            return Input(edge, digest=provider.record.video_id)
        result = provider.record.result(edge.output)
        return Input(edge, provider.component, result.key, result.digest, provider.chunk, result.absent)

    def _keyed(self, node: Node, task: Task) -> Task:
        span = task.chunk.as_key() if task.chunk else None
        digests = {i.edge.name: i.digest for i in task.inputs}
        at = (self.epoch, node.component, span, tuple(digests.values()))
        if at not in self.memo:
            self.memo[at] = _keys(node, digests, span)
        key, wanted = self.memo[at]
        return self._recorded(replace(task, key=key, wanted=wanted, state=TaskState.READY))

    def _settle_merge(self, node: Node, maker: str, plan: str, spans: tuple[ChunkSpan, ...]) -> None:
        assert node.merge is not None
        task = Task(node.component, node.component, TaskState.WAITING, merge=True)
        parts = [self.tasks[task_name(node.component, plan, i)] for i in range(len(spans))]
        if not all(p.state.terminal for p in parts):
            return self._keep(replace(task, reason="waits for its chunks"))
        if parts and not any(p.state is TaskState.SUCCEEDED for p in parts):
            return self._keep(
                replace(task, state=TaskState.BLOCKED, reason="every chunk failed or was blocked")
            )
        inputs = tuple(self._part(node, p) for p in parts) or (self._empty_plan(maker, plan),)
        gaps = tuple((p.chunk.start_ms, p.chunk.end_ms) for p in parts if p.chunk and p.record is None)
        digests = {i.edge.name: i.digest for i in inputs}
        at = (self.epoch, node.component, tuple(digests.items()))
        if at not in self.memo:
            self.memo[at] = _merge_key(node, node.merge, digests)
        wanted: Wanted = self.memo[at]
        ready = replace(
            task, inputs=inputs, gaps=gaps, key=wanted.key, wanted=(wanted,), state=TaskState.READY
        )
        return self._keep(self._recorded(ready))

    def _part(self, node: Node, part: Task) -> Input:
        assert part.chunk is not None
        edge = Edge(
            name=f"{part.chunk.start_ms}-{part.chunk.end_ms}", component=node.component, optional=True
        )
        if part.record is None:
            return Input(edge, chunk=part.chunk)
        result = part.record.result(None)
        return Input(edge, node.component, result.key, result.digest, part.chunk, result.absent)

    def _empty_plan(self, maker: str, plan: str) -> Input:
        record = self.tasks[maker].record
        assert record is not None
        edge = Edge(name=f"{maker}.plan", component=maker, output="plan")
        result = record.result("plan")
        return Input(edge, maker, result.key, plan, absent=result.absent)

    def _recorded(self, task: Task) -> Task:
        assert task.key is not None
        found = self.counting.best(task.name, task.key)
        if found is None:
            return task
        name, body = found
        if isinstance(body, Record):
            return replace(task, state=TaskState.SUCCEEDED, record=body, record_name=name)
        return replace(task, state=TaskState.FAILED, failure=body, record_name=name)

    def _keep(self, task: Task) -> None:
        self.tasks[task.name] = task


def _keys(
    node: Node, digests: Mapping[str, str | None], span: tuple[int, int, int] | None
) -> tuple[str, tuple[Wanted, ...]]:
    """The task's key and its outputs' keys; with one output that all parameters shape, they are the same."""
    parts = (node.component, node.version)
    wanted = []
    for output in node.outputs:
        made = key_ingredients(*parts, output.params, node.models, digests, span, output.major)
        wanted.append(Wanted(output.name, sha256_json(made), made))
    if len(wanted) == 1 and node.outputs[0].params == node.params:
        return wanted[0].key, tuple(wanted)
    major = max((o.major for o in node.outputs), default=1)
    whole = key_ingredients(*parts, node.params, node.models, digests, span, major)
    return sha256_json(whole), tuple(wanted)


def _merge_key(node: Node, merge: MergeNode, digests: Mapping[str, str | None]) -> Wanted:
    params = {**merge.params, "merge": merge.version}
    made = key_ingredients(node.component, node.version, params, merge.models, digests, None, merge.major)
    return Wanted(node.component, sha256_json(made), made)


def _why(task: Task) -> str:
    return "failed" if task.state is TaskState.FAILED else "is blocked"


def counted(state: RunState) -> Iterator[Task]:
    """Tasks with a record or failure that counts, by name: what a manifest lists."""
    return iter(sorted((t for t in state.tasks.values() if t.record_name), key=lambda t: t.record_name or ""))
