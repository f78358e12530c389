"""The function shell: a CloudEvent that says a task is ready comes in by HTTP, its record lies in the bucket when the answer goes out.

functions-framework serves it under gunicorn. The task runs in a child process that reaches neither the network nor other
people's objects: its calls to the store go through :class:`kadr.storage.relay.Relay`, within what this task may touch.

Answers, as the pump reads them: 200 done (also when the component failed: that is recorded); 410 stopped, as it was dropped; 503
try again, where with ``attempt: false`` it was none: ``key`` is computed by somebody else, or an older component is here; 409 the
router has to plan anew (a newer component, or an input whose payload is gone); 400, 413, 415, 422 never again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from flask import Response

from events import binding
from events.binding import InvalidEvent
from events.problems import problem, problem_of
from events.queue.errors import QueueUnavailable
from events.worker import DROPPED, Worker
from kadr.contracts.errors import InvalidObject, ObjectMissing, PayloadExpired, VersionMismatch
from kadr.pipeline import catalogue
from kadr.pipeline.failing import write_failure
from kadr.pipeline.messages import Finished, RenderSpec
from kadr.pipeline.spec import ObjectRef, TaskSpec, spec_from_json
from kadr.storage import layout
from kadr.storage.relay import Relay
from kadr.storage.store import ObjectStore

BUSY_S = 1
RENDER_TIMEOUT_S = 600.0
LOST_INPUT = {e.__name__ for e in (PayloadExpired, ObjectMissing, InvalidObject)}


@dataclass(frozen=True)
class Function:
    """Runs tasks of the components that its process is for."""

    components: frozenset[str]
    store: ObjectStore
    relay: Relay
    worker: Worker
    announce: Callable[[str], None] = lambda _: None
    """Told the name of every object of ``state/`` that a task wrote: the direct hint beside the bucket's own."""
    awaited: Callable[[str], bool] = lambda _: False
    """Whether anybody waits for the claim to a key that is held here."""
    _running: dict[str, frozenset[str]] = field(default_factory=dict)
    """By their deliveries, the keys of what is made."""

    def take(self, event: binding.Event) -> Response:
        """Run the task that ``event`` says is ready, and say how it ended."""
        try:
            if event.type != binding.TASK_READY:
                raise InvalidEvent(f"this function takes {binding.TASK_READY}, not {event.type!r}")
            if "render" in event.data:
                return self._render(_render_spec(event.data["render"]), event.delivery)
            spec = spec_from_json(event.data.get("task"))
        except InvalidObject as error:
            return problem(422, error.code, str(error), False)
        except InvalidEvent as error:
            return problem_of(error)
        return self._run(spec, event.delivery)

    def drop(self, name: str) -> None:
        """Stop the task that was delivered as ``name``: its lease was lost or its run cancelled.

        It goes on if somebody waits for one of its keys, who would only have to begin it again.
        """
        if (keys := self._running.get(name)) is None:
            return
        with suppress(QueueUnavailable):  # who dropped it says so again
            if not any(map(self.awaited, keys)):
                self.worker.drop(name)

    def _work(self, work: TaskSpec | RenderSpec, timeout_s: float, name: str) -> Finished:
        wanted = work.wanted if isinstance(work, TaskSpec) else ()
        self._running[name] = frozenset(w.key for w in wanted)
        try:
            return self.worker.run(work, timeout_s, name=name)
        finally:
            self._running.pop(name, None)

    def _run(self, spec: TaskSpec, name: str) -> Response:
        if refusal := self._unfit(spec):
            return refusal
        base = f"{layout.state_prefix(spec.owner, spec.run_id)}{spec.epoch}/{spec.task}."
        results = layout.video_results_prefix(spec.owner, spec.video_id)
        own = layout.results_prefix(spec.owner, spec.video_id, spec.component)
        source = json.dumps(asdict(spec.source), sort_keys=True) if isinstance(spec.source, ObjectRef) else ""
        timeout_s = float(catalogue.load().components[spec.component].resources.timeout_s)
        with self.relay.permit((results,), (base, own), frozenset({source} - {""})):
            done = self._work(spec, timeout_s, name)
        return self._answer(spec, done)

    def _unfit(self, spec: TaskSpec) -> Response | None:
        """Another version is here than the task was planned with, or another component altogether."""
        if spec.component not in self.components:
            said = f"this function runs {', '.join(sorted(self.components))}, not {spec.component!r}"
            # The port was another function's a moment ago: that is no fault of the task.
            return problem(503, "WrongFunction", said, True)
        here = catalogue.load().components[spec.component].version
        said = f"{spec.component} is version {here} here, the task was planned with {spec.version}"
        if here < spec.version:
            return problem(503, VersionMismatch.__name__, said, True, BUSY_S, attempt=False)
        if here > spec.version:
            return problem(409, VersionMismatch.__name__, said, False)
        return None

    def _answer(self, spec: TaskSpec, done: Finished) -> Response:
        prefix = layout.state_prefix(spec.owner, spec.run_id)
        if done.record is not None:
            name = prefix + layout.record_ok(spec.epoch, spec.task, spec.key, done.record.digest)
            self.announce(name)
            said = {"record": name, "cached": done.record.cached, "seconds": done.record.seconds}
            return Response(json.dumps(said), 200, content_type="application/json")
        if done.busy:
            said_busy = f"somebody else computes a key of {spec.task}"
            return problem(503, "Busy", said_busy, True, BUSY_S, attempt=False, key=done.message)
        if done.code == DROPPED:
            return problem(410, DROPPED, done.message, False)
        if done.code in LOST_INPUT:
            return problem(409, done.code, done.message, False)
        if done.retryable:
            return problem(503, done.code, done.message, True)
        name, _ = write_failure(self.store, spec, done, 1)
        self.announce(prefix + name)
        said_failed: dict[str, Any] = {"record": prefix + name, "failed": done.code, "message": done.message}
        return Response(json.dumps(said_failed), 200, content_type="application/json")

    def _render(self, spec: RenderSpec, name: str) -> Response:
        run = spec.owner, spec.run_id, spec.manifest
        # Beside the report lie the run's manifests, and what was told of it to whom.
        reads = (layout.manifest(*run), layout.all_results_prefix(spec.owner))
        with self.relay.permit(reads, (layout.report_prefix(*run),), frozenset()):
            done = self._work(spec, RENDER_TIMEOUT_S, name)
        if done.code == DROPPED:
            return problem(410, DROPPED, done.message, False)
        if done.rendered is None:
            return problem(503 if done.retryable else 422, done.code, done.message, done.retryable)
        return Response(json.dumps({"files": list(done.rendered)}), 200, content_type="application/json")


def _render_spec(plain: object) -> RenderSpec:
    """Raises InvalidObject."""
    names = RenderSpec.__dataclass_fields__
    if not isinstance(plain, dict) or not all(isinstance(plain.get(n, ""), str) for n in names):
        raise InvalidObject("not a rendering: it takes texts only")
    try:
        return RenderSpec(**{n: plain[n] for n in names if n in plain})
    except TypeError as error:
        raise InvalidObject(f"not a rendering: {error}") from error
