"""What of a local run needs no computing: its state is evaluated and every hit recorded, until nothing changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

from kadr.contracts.errors import ObjectMissing
from kadr.contracts.run import ACQUIRE, Record, TaskState
from kadr.pipeline.admission import load_objects
from kadr.pipeline.localrun import LocalRun
from kadr.pipeline.recording import lookup, record_acquired, record_cached
from kadr.pipeline.spec import TaskSpec, spec_of
from kadr.pipeline.state import RunState, Task, evaluate
from kadr.storage import layout
from kadr.storage.results import Found, ResultId, read_header
from kadr.storage.store import ObjectStore

RESCAN_S = 2.0

Lookup = Callable[[TaskSpec], Mapping[str, Found]]
"""The wanted results of a task that are there, by output name."""

_Hit = tuple[TaskSpec, Mapping[str, Found]]
_NO_CHUNK: Mapping[str, Any] = {"chunk": None, "merge": False}


class Tell(Protocol):
    """Says what happened to a run."""

    def __call__(self, run: LocalRun, event: str, /, **fields: Any) -> None: ...


class Settling:
    """Finds and records what is there already; what is left over stands in each run's ``missed``."""

    def __init__(
        self, store: ObjectStore, tell: Tell, look_up: Lookup | None = None, hands: Executor | None = None
    ) -> None:
        """``hands`` record hits, several at a time: worth it where the store is a network away."""
        self.store = store
        self._map = map if hands is None else hands.map
        self._tell = tell
        self._look_up: Lookup = look_up or (lambda spec: lookup(store, spec))

    def settle(self, run: LocalRun) -> RunState:
        """Evaluate, and record every hit, until nothing changes without computing."""
        idle = bool(run.not_before) or not run.flying
        if run.distrusted or not run.scanned or (idle and time.monotonic() - run.scanned > RESCAN_S):
            known = set(run.objects)
            trusted = {} if run.distrusted else run.objects
            run.objects, run.distrusted = load_objects(self.store, run.request, trusted), False
            run.scanned, run.dirty = time.monotonic(), True
            self._tell_found(run, run.objects.keys() - known)
        while run.dirty or run.state is None:
            run.dirty = False
            try:
                run.state = evaluate(run.request, run.objects, run.memo)
                self._record_hits(run, run.state)
            except BaseException:
                run.dirty = True  # what is not recorded yet is looked for again
                raise
        return run.state

    def _record_hits(self, run: LocalRun, state: RunState) -> None:
        self._learn_duration(run, state)
        if state.closed is not None:
            return  # nothing that is found now would count
        ready = [t for t in state.tasks.values() if t.state is TaskState.READY]
        hits = [self._look(run, state, task) for task in ready if task.name not in run.flying]
        self._record(run, [hit for hit in hits if hit is not None])
        self._forget_settled(run, state)

    def keep(self, run: LocalRun, record: Record, spec: TaskSpec) -> None:
        """``record`` is what became of ``spec``."""
        run.objects[layout.record_ok(spec.epoch, spec.task, spec.key, record.digest)] = record
        run.dirty = True
        run.missed.pop(spec.task, None)
        for makers in run.rearmed.values():
            if spec.task in makers:
                makers.discard(spec.task)
        run.computed += not record.cached
        drift = record.details.get("drift", [])
        self._tell(run, "task.done", **spec.named, cached=record.cached, seconds=record.seconds, drift=drift)
        if record.plan is not None:
            self._tell(run, "run.planned", component=spec.component, chunks=len(record.plan))

    @staticmethod
    def _forget_settled(run: LocalRun, state: RunState) -> None:
        """Another process may have settled what this one still meant to hand out."""
        again = set[str]().union(*run.rearmed.values())
        for name in [n for n in run.missed if n not in again]:
            task = state.tasks.get(name)
            if task is None or task.state is not TaskState.READY:
                del run.missed[name]

    def _tell_found(self, run: LocalRun, names: Iterable[str]) -> None:
        """What another start or another process recorded is progress too."""
        for name in sorted(names):
            body = run.objects[name]
            if isinstance(body, Record) and body.task != ACQUIRE:
                component = body.task.partition(".")[0]
                self._tell(run, "task.recorded", task=body.task, component=component, **_NO_CHUNK)
                if body.plan is not None:
                    self._tell(run, "run.planned", component=component, chunks=len(body.plan))

    def _look(self, run: LocalRun, state: RunState, task: Task) -> _Hit | None:
        """What is there of a task; None if it is not to be recorded here."""
        if task.component == ACQUIRE:
            if run.request.video_id is None:
                return None  # somebody has to fetch and hash the bytes first
            record = record_acquired(self.store, run.request, state.epoch)
            run.objects[layout.record_ok(state.epoch, record.task, record.key, record.digest)] = record
            run.dirty = True
            return None
        known = run.missed.get(task.name)
        if known is not None and known.key == task.key:
            return None
        spec = spec_of(run.request, state, task, run.source, run.refresh)
        found = {} if run.refresh else self._look_up(spec)
        if len(found) < len(spec.wanted):
            run.missed[task.name] = spec
            return None
        return spec, found

    def _record(self, run: LocalRun, hits: Sequence[_Hit]) -> None:
        for (spec, _), record in zip(hits, self._map(self._recorded, hits), strict=True):
            if record is None:
                run.missed[spec.task] = spec
            else:
                self.keep(run, record, spec)

    def _recorded(self, hit: _Hit) -> Record | None:
        try:
            return record_cached(self.store, *hit)
        except ObjectMissing:  # it was garbage until now, and went this moment
            return None

    def _learn_duration(self, run: LocalRun, state: RunState) -> None:
        probe = state.tasks.get("probe")
        if run.duration_ms is not None or probe is None or probe.record is None:
            return
        result = probe.record.result("probe")
        assert state.video_id is not None
        found = ResultId(run.request.owner, state.video_id, "probe", result.key, result.digest)
        run.duration_ms = int(read_header(self.store, found)["payload"].get("duration_ms", 0))
        self._tell(run, "run.probed", duration_ms=run.duration_ms)
