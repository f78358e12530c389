"""The router: a record was written, so who reads it? Hits are recorded at once, what has to be computed is readied.

Hints name objects of ``state/``; one may come twice, late, or never. Everything that is decided here follows from the objects of
the run, so any number of routers may decide it, and any of them may be killed: the reconciler asks again.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from events.messages import RENDER, about, acquire_body, render_body, task_body, trace_of
from events.queue.messages import Message
from events.queue.news import Heard
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import ACQUIRE, NO_KEY, Failure, Record, Request, TaskState
from kadr.pipeline.admission import read_request
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.closing import Closers, close, manifest_of
from kadr.pipeline.epochs import Stored, parse
from kadr.pipeline.failing import makers_of_lost
from kadr.pipeline.localrun import LocalRun
from kadr.pipeline.messages import RenderSpec
from kadr.pipeline.settling import Settling
from kadr.pipeline.shelf import Shelf
from kadr.pipeline.spec import AnySource, ObjectRef, TaskSpec, spec_of
from kadr.pipeline.state import RunState
from kadr.storage import layout
from kadr.storage.store import ObjectStore

_log = logging.getLogger("kadr.router")

UNKNOWN_MS = 60_000
"""How long a video is taken to be before anybody looked."""
MOVING, RECORDING = 4, 8
"""Runs that are moved, and hits that are recorded, at once: both wait for the store most of the time."""
REMEMBERED = 500
"""Runs that one router keeps the view of."""


class Line(Protocol):
    """The queue, as the router needs it."""

    def ready(self, message: Message) -> bool:
        """Put it in line unless it was before; whether it was new."""
        ...

    def rearm(self, message: Message) -> bool:
        """Put it in line unless it stands there."""
        ...

    def cancel(self, functions: Iterable[str], run_id: str, epoch: int) -> None:
        """Tasks of this epoch are dropped when they come up."""
        ...


class Tells(Protocol):
    """What routers tell each other: :class:`events.queue.news.News`."""

    def exchange(self, run_id: str, own: Mapping[str, bytes], place: int) -> Heard: ...


class Announces(Protocol):
    """Who tells others of runs: :class:`events.answers.announcer.Announcer`."""

    def moved(self, request: Request, state: RunState) -> None: ...
    def closing(self, request: Request, manifest: Manifest) -> None: ...
    def closed(self, request: Request, manifest: Manifest) -> None: ...


class Silent:
    """Tells nobody."""

    def moved(self, request: Request, state: RunState) -> None: ...
    def closing(self, request: Request, manifest: Manifest) -> None: ...
    def closed(self, request: Request, manifest: Manifest) -> None: ...


Sources = Callable[[Request, str], AnySource]
"""(request, video id) to where the bytes lie. Raises ObjectMissing."""


@dataclass
class _View:
    run: LocalRun
    sourced: bool = False
    rendered: int = 0
    closed: int = 0
    """The epoch whose end was acted on: a run that is tried again ends again."""
    anew: bool = False
    place: int = 0
    """How much of what routers told each other was heard."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Router:
    """Moves runs on. Safe for several threads; each run is moved by one at a time."""

    def __init__(
        self,
        store: ObjectStore,
        closers: Closers,
        catalogue: Catalogue,
        queue: Line,
        sources: Sources,
        news: Tells,
        on_event: Callable[[dict[str, Any]], None] = lambda _: None,
        answers: Announces | None = None,
    ) -> None:
        self.store = store
        self.closers = closers
        self.catalogue = catalogue
        self.queue = queue
        self.sources = sources
        self.news = news
        self.on_event = on_event
        self.answers = answers or Silent()
        self.settling = Settling(
            store, self._tell, Shelf(store).lookup, ThreadPoolExecutor(RECORDING, "recording")
        )
        self._movers = ThreadPoolExecutor(MOVING, "moving")
        self._views: OrderedDict[tuple[str, str], _View] = OrderedDict()
        self._lock = threading.Lock()

    def told(self, names: Iterable[str]) -> None:
        """Objects of ``state/`` were written: move their runs on. Names that mean nothing are passed over.

        Raises StoreFailure, QueueUnavailable; what is wrong with one run keeps none of the others waiting.
        """
        by_run: dict[tuple[str, str], list[str]] = {}
        for name in names:
            if (found := layout.parse_run(name)) is not None:
                by_run.setdefault(found[:2], []).append(found[2])
        for _ in self._movers.map(self._moved, by_run.items()):
            pass  # raises what one of them raised

    def _moved(self, told: tuple[tuple[str, str], list[str]]) -> None:
        (owner, run_id), below = told
        try:
            self.move(owner, run_id, below)
        except (ObjectMissing, InvalidObject) as error:  # of this run alone: the others are moved on
            _log.warning("the run cannot be moved on: %s", error, extra=about(run_id, owner))

    def move(self, owner: str, run_id: str, names: Iterable[str] = (), anew: bool = False) -> RunState | None:
        """Bring a run as far as it goes without computing. None if there is no such run.

        ``anew``: trust neither what is remembered nor the marks; what is ready and not in line is put there again.
        """
        view = self._view(owner, run_id)
        if view is None:
            return None
        with view.lock:
            if anew:
                view.run.distrusted, view.closed, view.rendered = True, 0, 0
                view.run.flying.clear()
                view.anew = True
            self._learn(view, names)
            return self._advance(view)

    def lost(self, spec: TaskSpec) -> bool:
        """Inputs of ``spec`` cannot be read: have their makers make them again, then ``spec``. False if nothing is lost."""
        view = self._view(spec.owner, spec.run_id)
        if view is None:
            return False
        with view.lock:
            run = view.run
            state = self._settled(view)
            task = state.tasks.get(spec.task)
            if task is None or task.key != spec.key or task.state is not TaskState.READY:
                return False
            makers = makers_of_lost(self.store, state, spec)
            run.missed[spec.task] = spec
            run.flying.discard(spec.task)
            run.rearmed[spec.task] = {maker.name for maker in makers}
            for maker in makers:
                again = replace(spec_of(run.request, state, maker, run.source, True), remakes=maker.record)
                run.missed[maker.name] = again
                self._enqueue(run, again, anyway=True)
            return bool(makers)

    # -- one run -----------------------------------------------------------------------------------------------------

    def _view(self, owner: str, run_id: str) -> _View | None:
        with self._lock:
            if (view := self._views.get((owner, run_id))) is not None:
                self._views.move_to_end((owner, run_id))
                return view
        try:
            request = read_request(self.store, owner, run_id)
        except (ObjectMissing, InvalidObject):
            return None  # without request.json there is no run
        with self._lock:
            view = self._views.setdefault((owner, run_id), _View(LocalRun.waiting(request)))
            while len(self._views) > REMEMBERED:
                self._views.popitem(last=False)
            return view

    def _learn(self, view: _View, names: Iterable[str]) -> None:
        """Objects ``names`` below the run's state prefix were written; and others, of which other routers were told."""
        run = view.run
        prefix = layout.state_prefix(run.request.owner, run.request.run_id)
        own: dict[str, bytes] = {}
        for name in names:
            if layout.parse_state(name) is None:
                continue
            if name in run.objects:
                self._take(run, run.objects[name])  # written again: an input that had been lost
                continue
            with suppress(ObjectMissing):
                own[name] = self.store.get(prefix + name)
        heard = self.news.exchange(run.request.run_id, own, view.place)
        view.place = heard.place
        run.distrusted = run.distrusted or heard.vanished
        for name, body in {**heard.objects, **own}.items():
            if name in run.objects:
                continue
            with suppress(InvalidObject):
                if (found := parse(name, body)) is not None:
                    run.objects[name] = found
                    run.dirty = True
                    self._take(run, found)

    @staticmethod
    def _take(run: LocalRun, found: Stored) -> None:
        if isinstance(found, Record | Failure):
            run.flying.discard(found.task)
            run.missed.pop(found.task, None)
            for makers in run.rearmed.values():
                makers.discard(found.task)

    def _advance(self, view: _View) -> RunState:
        state = self._settled(view)
        run = view.run
        if state.closed is None and state.closable:
            run.manifest = close(self.store, self.closers, run.request, state.epoch, self.answers.closing)
            run.distrusted = True
            if run.manifest is not None:
                state = self._settled(view)
                about_run = about(run.request.run_id, run.request.owner)
                _log.info("the run has ended: %s", state.status.value, extra=about_run)
        if state.closed is not None:
            self._finish(view, state)
        else:
            self._ready(view, state)
            self.answers.moved(run.request, state)
        return state

    def _settled(self, view: _View) -> RunState:
        state = self.settling.settle(view.run)
        if not view.sourced and state.video_id is not None:
            view.run.source = self._located(view.run.request, state.video_id)
            view.sourced = True
            view.run.missed.clear()  # those named a source that was not known yet
            view.run.dirty = True
            state = self.settling.settle(view.run)
        return state

    def _located(self, request: Request, video_id: str) -> AnySource:
        try:
            return self.sources(request, video_id)
        except ObjectMissing as error:  # whoever opens it says so, which ends the run; nobody else would
            _log.warning("the video is gone: %s", error, extra=about(request.run_id, request.owner))
            return ObjectRef(layout.video_source(request.owner, video_id), 1, "")

    def _ready(self, view: _View, state: RunState) -> None:
        run, anew = view.run, view.anew
        view.anew = False
        acquire = state.tasks[ACQUIRE]
        if acquire.state is TaskState.READY and ACQUIRE not in run.flying:
            run.flying.add(ACQUIRE)
            body = acquire_body(run.request, state.epoch)
            self._put(self._message(run.request, state.epoch, ACQUIRE, ACQUIRE, NO_KEY, body), anew)
        if not view.sourced:
            return
        for spec in list(run.missed.values()):
            if spec.task not in run.flying and not run.rearmed.get(spec.task):
                again = spec.task in run.rearmed
                run.rearmed.pop(spec.task, None)
                self._enqueue(run, spec, anyway=again or anew)

    def _enqueue(self, run: LocalRun, spec: TaskSpec, anyway: bool) -> None:
        run.flying.add(spec.task)
        resources = self.catalogue.components[spec.component].resources
        span_ms = spec.chunk.end_ms - spec.chunk.start_ms if spec.chunk else run.duration_ms or UNKNOWN_MS
        cost = span_ms / 60_000 * resources.cost(spec.models)
        body = task_body(run.request, spec)
        message = self._message(run.request, spec.epoch, spec.component, spec.task, spec.key, body, cost)
        self._put(message, anyway)

    def _put(self, message: Message, anyway: bool) -> None:
        new = self.queue.rearm(message) if anyway else self.queue.ready(message)
        if new:
            fields = about(message.run_id, message.owner, message.task, message.trace)
            _log.info("%s is ready", message.task, extra=fields | {"function": message.function})

    @staticmethod
    def _message(
        request: Request,
        epoch: int,
        function: str,
        task: str,
        key: str,
        body: dict[str, Any],
        cost: float = 1.0,
    ) -> Message:
        return Message(
            function=function,
            run_id=request.run_id,
            owner=request.owner,
            task=task,
            body=json.dumps(body, separators=(",", ":")),
            key=key,
            epoch=epoch,
            priority=request.priority,
            cost=max(0.001, cost),
            trace=trace_of(request.run_id),
        )

    def _finish(self, view: _View, state: RunState) -> None:
        run = view.run
        if run.manifest is None or state.closed is None or run.manifest.digest != state.closed.manifest:
            run.manifest = manifest_of(self.store, run.request, state)
        components = self.catalogue.components
        renderers = sorted(n for n, e in components.items() if e.scope == "run")
        tasks = sorted(set(components) - set(renderers))  # a cancelled run has its report all the same
        if view.closed != state.epoch:
            view.closed = state.epoch
            if state.cancelled:
                self.queue.cancel((ACQUIRE, *tasks), run.request.run_id, state.epoch)
            self.answers.closed(run.request, run.manifest)
        if view.rendered == state.epoch or not renderers or state.video_id is None:
            return
        view.rendered = state.epoch
        request, digest = run.request, run.manifest.digest
        if self.store.exists(layout.report_file(request.owner, request.run_id, digest, "report.html")):
            return
        spec = RenderSpec(request.owner, request.run_id, digest, renderers[0], "")
        body = render_body(request, state.video_id, spec)
        self._put(
            self._message(request, state.epoch, renderers[0], RENDER, digest, body, 0.1), anyway=view.anew
        )
        view.anew = False

    def _tell(self, run: LocalRun, event: str, /, **fields: Any) -> None:
        self.on_event({"event": event, "run_id": run.request.run_id, "owner": run.request.owner, **fields})
