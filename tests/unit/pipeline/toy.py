"""A toy pipeline and a worker that plays it: what state tests walk. Digests follow from keys, as real ones do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kadr.contracts.keys import sha256_json
from kadr.contracts.run import (
    ACQUIRE,
    NO_KEY,
    Cancelled,
    Done,
    Edge,
    Failure,
    Graph,
    MergeNode,
    Node,
    OutputNode,
    Record,
    RecordResult,
    Request,
    Retry,
    TaskState,
)
from kadr.pipeline.epochs import Stored
from kadr.pipeline.state import Memo, RunState, Task, counted, evaluate, outcome
from kadr.storage import layout

VIDEO_ID = hashlib.sha256(b"video").hexdigest()


def node(
    component: str,
    *edges: Edge,
    plan: str | None = None,
    outputs: Iterable[str] = (),
    merge: bool = False,
    version: int = 1,
    params: Mapping[str, object] | None = None,
) -> Node:
    given = dict(params or {})
    names = tuple(outputs) or (component,)
    return Node(
        component=component,
        version=version,
        stage="visual",
        plan=plan,
        edges=edges,
        outputs=tuple(
            OutputNode(name=n, params=given if n == component else {**given, "output": n}, major=1)
            for n in names
        ),
        params=given,
        models={},
        merge=MergeNode(version=1, params=given, models={}, major=1) if merge else None,
    )


def whole(component: str, output: str | None = None, optional: bool = False) -> Edge:
    name = f"{component}.{output}" if output else component
    return Edge(name=name, component=component, output=output, optional=optional)


def chunk(component: str, output: str | None = None) -> Edge:
    return Edge(name=component, component=component, output=output, mode="chunk")


SOURCE = Edge(name="source", mode="source")


def graph(version: int = 1, required: tuple[str, ...] = ("probe",)) -> Graph:
    """probe → decode → objects (chunked, merged); pcm → voice → speech (chunked by voice); passages over both."""
    return Graph(
        catalogue="c" * 64,
        required=required,
        nodes=(
            node("probe", SOURCE, outputs=("probe", "plan")),
            node("decode", SOURCE, whole("probe", "probe"), plan="probe"),
            node("objects", chunk("decode"), plan="probe", merge=True, version=version),
            node("pcm", SOURCE, whole("probe", "probe")),
            node("voice", whole("pcm"), outputs=("voice", "plan")),
            node("speech", whole("pcm"), plan="voice", merge=True),
            node("titles", whole("objects")),
            node("passages", whole("speech", optional=True), whole("titles", optional=True)),
        ),
    )


def request(g: Graph | None = None) -> Request:
    return Request(
        run_id="run",
        owner="local",
        video_id=VIDEO_ID,
        source="file:///v.mp4",
        source_name="v.mp4",
        config_hash="0" * 64,
        sampling_policy_version="1",
        dataprocessor_version="1",
        platform_id="test",
        profile={},
        profile_name="toy",
        models={},
        graph=g or graph(),
        created_ms=0,
    )


@dataclass
class World:
    """What the toy's components do: how the plans fall out, which tasks fail, and which come out differently again."""

    probe_chunks: int = 3
    voice_chunks: int = 2
    fails: frozenset[str] = frozenset()
    variant: Callable[[str], int] = lambda task: 0
    absent: bool = False

    def record(self, task: Task, variant: int = 0) -> Record:
        if task.component == ACQUIRE:
            video = sha256_json([VIDEO_ID, variant]) if variant else VIDEO_ID
            return Record(task=ACQUIRE, key=NO_KEY, results=(), video_id=video)
        results = tuple(
            RecordResult(
                name=w.name,
                key=w.key,
                digest=sha256_json([w.key, variant]),
                absent="no_audio" if self.absent and task.component in ("pcm", "voice", "speech") else None,
            )
            for w in task.wanted
        )
        count = {"probe": self.probe_chunks, "voice": self.voice_chunks}.get(task.component)
        plan = None if count is None else tuple((i * 1000, i * 1000 + 1000, 0) for i in range(count))
        return Record(task=task.name, key=task.key or "", results=results, plan=plan, gaps=task.gaps)


Objects = dict[str, Stored]


def put_record(objects: Objects, epoch: int, record: Record) -> str:
    name = layout.record_ok(epoch, record.task, record.key, record.digest)
    objects[name] = record
    return name


def put_failure(objects: Objects, epoch: int, task: Task) -> str:
    assert task.key is not None
    name = layout.record_failed(epoch, task.name, task.key)
    objects[name] = Failure(task=task.name, key=task.key, code="Boom", message=f"{task.name} broke")
    return name


def play(req: Request, objects: Objects, world: World, steps: int = 1000) -> RunState:
    """Run ready tasks, in name order, until none is left (or ``steps`` are done)."""
    memo: Memo = {}
    for _ in range(steps):
        state = evaluate(req, objects, memo)
        ready = sorted((t for t in state.tasks.values() if t.state is TaskState.READY), key=lambda t: t.name)
        if not ready or state.closed or state.cancelled:
            assert state == evaluate(req, objects), "what is remembered changes what is found"
            return state
        task = ready[0]
        if task.name.partition(".")[0] in world.fails or short(task) in world.fails:
            put_failure(objects, state.epoch, task)
        else:
            put_record(objects, state.epoch, world.record(task, world.variant(task.name)))
    return evaluate(req, objects)


def short(task: Task) -> str:
    """``objects.1`` for the second chunk of objects: independent of the plan's digest."""
    component, dot, rest = task.name.partition(".")
    return f"{component}.{int(rest.partition('-')[2])}" if dot else component


def shut(objects: Objects, state: RunState) -> Done:
    """Close the open epoch as the closer does."""
    names = tuple(sorted(t.record_name or "" for t in counted(state)))
    digest = sha256_json([state.epoch, names])
    done = Done(manifest=digest, status=outcome(state), records=names)
    objects[layout.done(state.epoch, digest)] = done
    return done


def retry(objects: Objects, epoch: int, g: Graph) -> None:
    objects[layout.retry(epoch)] = Retry(graph=g)


def cancel(objects: Objects, epoch: int) -> None:
    objects[layout.cancelled(epoch)] = Cancelled()


@dataclass
class Facts:
    """What of a state must not depend on order, repetition or timing."""

    status: str
    tasks: dict[str, tuple[str, str | None, str | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, state: RunState) -> Facts:
        return cls(
            state.status.value,
            {
                n: (t.state.value, t.key, t.record.digest if t.record else None)
                for n, t in state.tasks.items()
            },
        )
