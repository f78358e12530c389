"""What the router says of runs becomes events that are owed, written before the run is closed: none is forgotten, none is history."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from events.answers.outbox import Outbox
from events.answers.targets import Target, Targets
from events.answers.telling import ENDED, Places, component_completed, run_completed
from events.binding import COMPONENT_COMPLETED, RUN_COMPLETED, Event, to_json
from events.messages import about
from kadr.contracts.errors import KadrError
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Request
from kadr.pipeline.closing import compile_manifest
from kadr.pipeline.state import RunState
from kadr.storage.layout import OwedName

_log = logging.getLogger("kadr.answers")

REMEMBERED = 500


@dataclass
class _Run:
    known: set[tuple[str, str]]
    """(event id, target) that were owed before."""
    said: set[tuple[int, str]] = field(default_factory=set)
    """(epoch, component) that were made events of; one that came out otherwise since is told of when the run is closed."""
    waiting: list[OwedName] = field(default_factory=list)
    """Owed, and to be put in line when the run is closed."""


class Announcer:
    """Asks the store for nothing while there is nobody to be told. Each run is moved by one thread at a time."""

    def __init__(self, outbox: Outbox, targets: Targets, places: Places) -> None:
        self.outbox = outbox
        self.targets = targets
        self.places = places
        self._runs: OrderedDict[tuple[str, str], _Run] = OrderedDict()
        self._lock = threading.Lock()

    def moved(self, request: Request, state: RunState) -> None:
        """Components of an open run may have ended. What cannot be written now is written when the run is closed."""
        if state.closed is not None or not (to := self.targets.wanting(COMPONENT_COMPLETED, request.owner)):
            return
        try:
            run = self._run(request)
            left = (n.component for n in state.graph.nodes if (state.epoch, n.component) not in run.said)
            if new := [c for c in left if state.component_state(c) in ENDED]:
                manifest = compile_manifest(request, state)
                events = [self._component(request, manifest, component) for component in new]
                self.outbox.tell(self._owe(request, run, events, to))
                run.said.update((state.epoch, c) for c in new)
        except KadrError as error:
            _log.warning(
                "components wait to be told of: %s", error, extra=about(request.run_id, request.owner)
            )

    def closing(self, request: Request, manifest: Manifest) -> None:
        """The epoch is about to be closed: write all that is owed about it. Raises StoreFailure: then it is not closed yet."""
        to_run = self.targets.wanting(RUN_COMPLETED, request.owner, request.callback_url)
        to_components = self.targets.wanting(COMPONENT_COMPLETED, request.owner)
        if not to_run and not to_components:
            return
        run = self._run(request)
        ended = [c for c, s in manifest.components.items() if s.state in ENDED] if to_components else []
        events = [self._component(request, manifest, component) for component in ended]
        run.waiting += self._owe(request, run, events, to_components)
        run.waiting += self._owe(request, run, [run_completed(request, manifest, self.places)], to_run)

    def closed(self, request: Request, manifest: Manifest) -> None:
        """The mark is written: what it lets be told is put in line."""
        with self._lock:
            run = self._runs.get((request.owner, request.run_id))
        if run is not None:
            waiting, run.waiting = run.waiting, []
            self.outbox.tell(waiting)

    def _component(self, request: Request, manifest: Manifest, component: str) -> Event:
        return component_completed(
            request,
            manifest.video_id,
            manifest.epoch,
            component,
            manifest.components[component],
            manifest.final(component),
            self.places,
        )

    def _owe(self, request: Request, run: _Run, events: Iterable[Event], to: list[Target]) -> list[OwedName]:
        made = []
        for event in events:
            new = [t for t in to if (event.id, t.name) not in run.known]
            made += self.outbox.owe(request.owner, request.run_id, event, to_json(event), new)
            run.known.update((event.id, t.name) for t in new)
        return made

    def _run(self, request: Request) -> _Run:
        at = (request.owner, request.run_id)
        with self._lock:
            if (found := self._runs.get(at)) is not None:
                self._runs.move_to_end(at)
                return found
        known = self.outbox.known(*at)
        with self._lock:
            found = self._runs.setdefault(at, _Run(known))
            while len(self._runs) > REMEMBERED:
                self._runs.popitem(last=False)
            return found
