"""A whole run on one machine: the same planner and shell as everywhere, over local files, with hints handed on directly.

The coordinator plans, looks results up, writes cached and failure records, closes and renders. It never loads a model nor
opens media: two child processes do, one confined to what opens the video, one for everything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
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
from kadr.pipeline.arriving import Arriving
from kadr.pipeline.budget import Budget
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.closing import ByLock, close, manifest_of
from kadr.pipeline.failing import backoff_s, makers_of_lost, write_failure
from kadr.pipeline.localrun import LocalRun
from kadr.pipeline.messages import Advanced, Finished, RenderSpec
from kadr.pipeline.settling import Settling
from kadr.pipeline.spec import TaskSpec, spec_of
from kadr.pipeline.workers import Flight, Host, ready
from kadr.storage.claims import Claims
from kadr.storage.store import ObjectStore

ATTEMPTS = 3
UNREADABLE = {e.__name__ for e in (PayloadExpired, ObjectMissing, InvalidObject)}
BUSY_WAIT_S = 0.25
TICK_S = 0.2
RENDER_TIMEOUT_S = 600.0

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
        self.settling = Settling(store, self._tell)
        self._sources = {
            n for n, e in catalogue.components.items() if any(r.kind == "source" for r in e.reads)
        }

    def run(self, arriving: Arriving[LocalRun], at_once: int = 2) -> None:
        """Bring every run to its end. Raises Interrupted when told to stop; each run's own error stays on it."""
        active = list[LocalRun]()
        self.running = True
        try:
            while active or not arriving.ended:
                while len(active) < at_once and (run := arriving.take(0.0 if active else TICK_S)):
                    active.append(run)
                for run in active:
                    self._guarded(run, self._advance)
                active = [run for run in active if not run.finished]
                if active:
                    self._listen(active)
                if self.stopping and (not arriving.ended or any(not run.finished for run in active)):
                    raise Interrupted
        except BaseException:
            self.stopping = True  # whoever makes the next run ready looks here
            raise
        finally:
            for host in self.hosts:
                host.stop()
            arriving.close()
            self.running = False

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
            state = self.settling.settle(run)
            if state.closed is not None or (state.closable and not run.flying):
                self._close(run)
            else:
                self._dispatch(run)
        if run.manifest is not None:
            self._render(run)

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
            self._tell(run, "task.started", **spec.named)

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
                self._tell(run, "task.progress", **flight.work.named, fraction=round(message.fraction, 3))
        elif isinstance(flight.work, RenderSpec):
            self._rendered(run, message)
        else:
            spec = flight.work
            run.flying.discard(spec.task)
            self._guarded(run, lambda r: self._ended(r, spec, message))

    def _ended(self, run: LocalRun, spec: TaskSpec, message: Finished) -> None:
        if message.record is not None:
            run.alone.discard(spec.task)
            self.settling.keep(run, message.record, spec)
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
            self._tell(run, "task.retried", **spec.named, code=message.code, message=message.message)
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
        self._tell(run, "task.failed", **spec.named, code=message.code, message=message.message)

    def _rearm(self, run: LocalRun, spec: TaskSpec) -> bool:
        """Have the makers of ``spec``'s lost inputs make them again; ``spec`` waits for them."""
        assert run.state is not None
        makers = makers_of_lost(self.store, run.state, spec)
        for task in makers:
            again = spec_of(run.request, run.state, task, run.source, True)
            run.missed[task.name] = replace(again, remakes=task.record)
            self._tell(run, "task.rearmed", **again.named)
        run.rearmed[spec.task] = {task.name for task in makers}
        return bool(makers)

    # -- the end -----------------------------------------------------------------------------------------------------

    def _close(self, run: LocalRun) -> None:
        assert run.state is not None
        if run.state.closed is not None:
            run.manifest = manifest_of(self.store, run.request, run.state)
        else:
            run.manifest = close(self.store, ByLock(self.claims), run.request, run.state.epoch)
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
            what_helps = "`kadr verify --stored` names what is damaged and the command that heals it"
            run.error = ReportFailure(f"the report could not be made: {message.message}; {what_helps}")
        run.files = message.rendered or ()
        run.ended = time.monotonic()
        if run.error is not None:
            return self._tell(run, "run.error", code=message.code, message=str(run.error))
        status = run.manifest.status.value if run.manifest else ""
        return self._tell(run, "run.done", status=status, files=list(run.files), computed=run.computed)

    def _tell(self, run: LocalRun, event: str, /, **fields: Any) -> None:
        self.on_event({"event": event, "run_id": run.request.run_id, **fields})


def _name_of(flight: Flight) -> str:
    return flight.work.task if isinstance(flight.work, TaskSpec) else flight.work.component
