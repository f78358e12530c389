"""A whole run on one machine: the same planner and shell as everywhere, over local files, with hints handed on directly.

The coordinator plans, looks results up, writes cached and failure records, closes and renders. It never loads a model nor
opens media: two child processes do, one confined to what opens the video, one for everything else.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kadr.contracts.errors import (
    Interrupted,
    InvalidObject,
    NoSpaceLeft,
    ObjectMissing,
    PayloadExpired,
    ReportFailure,
    WorkerDied,
)
from kadr.contracts.run import ACQUIRE, Record, TaskState
from kadr.pipeline.admission import load_objects
from kadr.pipeline.budget import Budget
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.closing import close, manifest_of
from kadr.pipeline.failing import backoff_s, makers_of_lost, write_failure
from kadr.pipeline.localrun import LocalRun
from kadr.pipeline.messages import Advanced, Finished, RenderSpec
from kadr.pipeline.recording import lookup, record_acquired, record_cached
from kadr.pipeline.spec import TaskSpec, spec_of
from kadr.pipeline.state import RunState, Task, evaluate
from kadr.pipeline.workers import Flight, Host, ready
from kadr.storage import layout
from kadr.storage.claims import Claims
from kadr.storage.results import ResultId, read_header
from kadr.storage.store import ObjectStore

ATTEMPTS = 3
UNREADABLE = {e.__name__ for e in (PayloadExpired, ObjectMissing, InvalidObject)}
BUSY_WAIT_S = 0.25
RESCAN_S = 2.0
TICK_S = 0.2
RENDER_TIMEOUT_S = 600.0

_NO_CHUNK: Mapping[str, Any] = {"chunk": None, "merge": False}

Event = Mapping[str, Any]
"""What happened, as people's progress bars and ``--json`` see it: ``event``, ``run_id`` and the event's own fields."""


class Coordinator:
    """Drives local runs to their end. ``media`` opens videos, ``models`` does the rest."""

    def __init__(
        self,
        store: ObjectStore,
        claims: Claims,
        catalogue: Catalogue,
        media: Host,
        models: Host,
        budget: Budget,
        on_event: Callable[[Event], None],
    ) -> None:
        self.store = store
        self.claims = claims
        self.catalogue = catalogue
        self.hosts = (media, models)
        self.budget = budget
        self.on_event = on_event
        self.stopping = False
        self.running = False
        self._sources = {
            n for n, e in catalogue.components.items() if any(r.kind == "source" for r in e.reads)
        }

    def run(self, runs: Sequence[LocalRun], at_once: int = 2) -> None:
        """Bring every run to its end. Raises Interrupted when told to stop; each run's own error stays on it."""
        waiting, active = deque(runs), list[LocalRun]()
        self.running = True
        try:
            while waiting or active:
                while waiting and len(active) < at_once:
                    active.append(waiting.popleft())
                for run in active:
                    self._guarded(run, self._advance)
                active = [run for run in active if not run.finished]
                if active:
                    self._listen(active)
                if self.stopping and any(not run.finished for run in (*waiting, *active)):
                    raise Interrupted
        finally:
            self.running = False
            for host in self.hosts:
                host.stop()

    def _guarded(self, run: LocalRun, step: Callable[[LocalRun], None]) -> None:
        """One run's trouble with the store ends that run here (it can be resumed), never the others."""
        try:
            step(run)
        except Interrupted:
            raise
        except Exception as error:
            run.error = error
            run.ended = time.monotonic()
            self._tell(run, "run.error", code=type(error).__name__, message=str(error))

    # -- one run -----------------------------------------------------------------------------------------------------

    def _advance(self, run: LocalRun) -> None:
        if run.finished or run.rendering:
            return
        if run.manifest is None:
            self._settle(run)
            assert run.state is not None
            if run.state.closed is not None or (run.state.closable and not run.flying):
                self._close(run)
            else:
                self._dispatch(run)
        if run.manifest is not None:
            self._render(run)

    def _settle(self, run: LocalRun) -> None:
        """Evaluate, and record every hit, until nothing changes without computing."""
        idle = bool(run.not_before) or not run.flying
        if run.distrusted or not run.scanned or (idle and time.monotonic() - run.scanned > RESCAN_S):
            known = set(run.objects)
            trusted = {} if run.distrusted else run.objects
            run.objects, run.distrusted = load_objects(self.store, run.request, trusted), False
            run.scanned, run.dirty = time.monotonic(), True
            self._tell_found(run, run.objects.keys() - known)
        while run.dirty:
            run.dirty = False
            run.state = evaluate(run.request, run.objects, run.memo)
            self._learn_duration(run)
            if run.state.closed is not None:
                return  # nothing that is found now would count
            for task in run.state.tasks.values():
                if task.state is TaskState.READY and task.name not in run.flying:
                    self._look(run, run.state, task)
            self._forget_settled(run, run.state)

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

    def _look(self, run: LocalRun, state: RunState, task: Task) -> None:
        if task.component == ACQUIRE:
            record = record_acquired(self.store, run.request, state.epoch)
            run.objects[layout.record_ok(state.epoch, record.task, record.key, record.digest)] = record
            run.dirty = True
            return
        known = run.missed.get(task.name)
        if known is not None and known.key == task.key:
            return
        spec = spec_of(run.request, state, task, run.source, run.refresh)
        found = {} if run.refresh else lookup(self.store, spec)
        if len(found) < len(spec.wanted):
            run.missed[task.name] = spec
            return
        try:
            record = record_cached(self.store, spec, found)
        except ObjectMissing:  # it was garbage until now, and went this moment
            run.missed[task.name] = spec
            return
        self._keep(run, record, spec)

    def _keep(self, run: LocalRun, record: Record, spec: TaskSpec) -> None:
        run.objects[layout.record_ok(spec.epoch, spec.task, spec.key, record.digest)] = record
        run.dirty = True
        run.missed.pop(spec.task, None)
        for makers in run.rearmed.values():
            if spec.task in makers:
                makers.discard(spec.task)
        run.computed += not record.cached
        drift = record.details.get("drift", [])
        self._tell(
            run, "task.done", **_named(spec), cached=record.cached, seconds=record.seconds, drift=drift
        )
        if record.plan is not None:
            self._tell(run, "run.planned", component=spec.component, chunks=len(record.plan))

    def _learn_duration(self, run: LocalRun) -> None:
        assert run.state is not None
        probe = run.state.tasks.get("probe")
        if run.duration_ms is not None or probe is None or probe.record is None:
            return
        result = probe.record.result("probe")
        assert run.state.video_id is not None
        found = ResultId(run.request.owner, run.state.video_id, "probe", result.key, result.digest)
        run.duration_ms = int(read_header(self.store, found)["payload"].get("duration_ms", 0))
        self._tell(run, "run.probed", duration_ms=run.duration_ms)

    def _dispatch(self, run: LocalRun) -> None:
        now = time.monotonic()
        for spec in sorted(run.missed.values(), key=self._urgency):
            delayed = run.not_before.get(spec.task, 0.0) > now
            held = delayed or spec.task in run.flying or bool(run.rearmed.get(spec.task))
            if not held and self._fits(run, spec):
                self._begin(run, spec)

    def _urgency(self, spec: TaskSpec) -> tuple[int, float, int]:
        """What unlocks others first, then the dearest: the long tasks should not be the last to start."""
        entry = self.catalogue.components[spec.component]
        early = 0 if entry.stage.value == "segmenter" else 1
        return early, -entry.resources.cost(spec.models), spec.chunk.start_ms if spec.chunk else 0

    def _fits(self, run: LocalRun, spec: TaskSpec) -> bool:
        host = self._host(spec)
        if spec.task in run.alone:
            return not host.flights
        if any(f.tag[0].alone & {_name_of(f)} for f in host.flights.values()):
            return False
        busy = [f.work.component for h in self.hosts for f in h.flights.values()]
        return self.budget.fits(spec.component, busy)

    def _host(self, spec: TaskSpec) -> Host:
        return self.hosts[0] if spec.component in self._sources else self.hosts[1]

    def _begin(self, run: LocalRun, spec: TaskSpec) -> None:
        run.flying.add(spec.task)
        run.not_before.pop(spec.task, None)
        timeout_s = float(self.catalogue.components[spec.component].resources.timeout_s)
        self._host(spec).begin(spec, (run, spec), timeout_s)
        if spec.task not in run.told:
            run.told.add(spec.task)
            self._tell(run, "task.started", **_named(spec))

    # -- what hosts say ----------------------------------------------------------------------------------------------

    def _listen(self, active: Sequence[LocalRun]) -> None:
        for host in ready(self.hosts, TICK_S):
            for flight, message in host.read():
                self._heard(flight, message)
        for host in self.hosts:
            for flight, message in host.overdue():
                self._heard(flight, message)

    def _heard(self, flight: Flight, message: Finished | Advanced) -> None:
        run: LocalRun = flight.tag[0]
        if isinstance(message, Advanced):
            if isinstance(flight.work, TaskSpec):
                self._tell(run, "task.progress", **_named(flight.work), fraction=round(message.fraction, 3))
        elif isinstance(flight.work, RenderSpec):
            self._rendered(run, message)
        else:
            spec = flight.work
            run.flying.discard(spec.task)
            self._guarded(run, lambda r: self._ended(r, spec, message))

    def _ended(self, run: LocalRun, spec: TaskSpec, message: Finished) -> None:
        if message.record is not None:
            run.alone.discard(spec.task)
            self._keep(run, message.record, spec)
        elif message.busy:
            run.not_before[spec.task] = time.monotonic() + BUSY_WAIT_S
            run.missed.pop(spec.task, None)
            run.dirty = True
        else:
            self._failed(run, spec, message)

    def _failed(self, run: LocalRun, spec: TaskSpec, message: Finished) -> None:
        """A retryable failure is tried again, alone if it took its process down; any other is the run's record.

        A full store is nobody's failure and could not be recorded: the run stops here, open, to be resumed.
        """
        if message.code == NoSpaceLeft.__name__:
            raise NoSpaceLeft(message.message)
        run.attempts[spec.task, spec.key] += 1
        attempts = run.attempts[spec.task, spec.key]
        unreadable = message.code in UNREADABLE
        if unreadable and attempts < ATTEMPTS and self._rearm(run, spec):
            return
        if message.retryable and attempts < ATTEMPTS:
            run.not_before[spec.task] = time.monotonic() + backoff_s(attempts)
            if message.code == WorkerDied.__name__:
                run.alone.add(spec.task)
            self._tell(run, "task.retried", **_named(spec), code=message.code, message=message.message)
            return
        run.alone.discard(spec.task)
        waiting = [t for t, makers in run.rearmed.items() if spec.task in makers]
        if not waiting:
            self._give_up(run, spec, message, attempts)
        for name in waiting:
            # The maker's earlier success still counts; it is those who need its payload that fail.
            run.rearmed.pop(name)
            if (needy := run.missed.get(name)) is not None:
                self._give_up(run, needy, message, attempts)
        run.missed.pop(spec.task, None)

    def _give_up(self, run: LocalRun, spec: TaskSpec, message: Finished, attempts: int) -> None:
        name, failure = write_failure(self.store, spec, message, attempts)
        run.objects[name] = failure
        run.missed.pop(spec.task, None)
        run.dirty = True
        self._tell(run, "task.failed", **_named(spec), code=message.code, message=message.message)

    def _rearm(self, run: LocalRun, spec: TaskSpec) -> bool:
        """Have the makers of ``spec``'s lost inputs make them again; ``spec`` waits for them."""
        assert run.state is not None
        makers = makers_of_lost(self.store, run.state, spec)
        for task in makers:
            again = spec_of(run.request, run.state, task, run.source, True)
            run.missed[task.name] = replace(again, remakes=task.record)
            self._tell(run, "task.rearmed", task=task.name, component=task.component, **_NO_CHUNK)
        run.rearmed[spec.task] = {task.name for task in makers}
        return bool(makers)

    # -- the end -----------------------------------------------------------------------------------------------------

    def _close(self, run: LocalRun) -> None:
        assert run.state is not None
        if run.state.closed is not None:
            run.manifest = manifest_of(self.store, run.request, run.state)
        else:
            run.manifest = close(self.store, self.claims, run.request, run.state.epoch)
        # Somebody else closes it, or what is remembered here is not what the store holds.
        run.distrusted = run.manifest is None
        if run.manifest is not None:
            self._tell(run, "run.closed", status=run.manifest.status.value, manifest=run.manifest.digest)

    def _render(self, run: LocalRun) -> None:
        assert run.manifest is not None
        renderers = sorted(n for n, e in self.catalogue.components.items() if e.scope == "run")
        if not renderers or not run.wants_report:
            self._rendered(run, Finished(ticket=0, rendered=()))
            return
        request = run.request
        spec = RenderSpec(
            request.owner, request.run_id, run.manifest.digest, renderers[0], run.video_href, run.title
        )
        others = (f.work for f in self.hosts[1].flights.values() if isinstance(f.work, RenderSpec))
        if any(other.run_id == spec.run_id for other in others):
            return  # the same run under another name: its files are delivered before they are written again
        run.rendering = True
        self.hosts[1].begin(spec, (run, spec), RENDER_TIMEOUT_S)

    def _rendered(self, run: LocalRun, message: Finished) -> None:
        if message.rendered is None:
            run.renders += 1
            self._tell(run, "report.failed", code=message.code, message=message.message)
            if message.retryable and run.renders < ATTEMPTS:
                run.rendering = False
                return
            what_helps = "kadr verify --stored names what is damaged, --refresh computes it again"
            run.error = ReportFailure(f"the report could not be made: {message.message}; {what_helps}")
        run.files = message.rendered or ()
        run.ended = time.monotonic()
        if run.error is not None:
            return self._tell(run, "run.error", code=message.code, message=str(run.error))
        status = run.manifest.status.value if run.manifest else ""
        return self._tell(run, "run.done", status=status, files=list(run.files), computed=run.computed)

    def _tell(self, run: LocalRun, event: str, **fields: Any) -> None:
        self.on_event({"event": event, "run_id": run.request.run_id, **fields})


def _named(spec: TaskSpec) -> dict[str, Any]:
    chunk = [spec.chunk.start_ms, spec.chunk.end_ms] if spec.chunk else None
    return {"task": spec.task, "component": spec.component, "chunk": chunk, "merge": spec.merge}


def _name_of(flight: Flight) -> str:
    return flight.work.task if isinstance(flight.work, TaskSpec) else flight.work.component
