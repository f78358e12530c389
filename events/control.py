"""The always-on part: hints to the router, lines to streams, streams to replicas, replicas by depth, and the reconciler.

All of it may be killed and started again, and there may be several: what it decides follows from the bucket and the queue.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from events.hints import Hints
from events.messages import about
from events.pump import Pump
from events.queue.depth import Depth, depth
from events.queue.dispatch import Dispatcher
from events.queue.errors import QueueUnavailable
from events.queue.server import Server
from events.reconciler import Reconciler
from events.router import Router
from events.scaling import Scaler
from events.turns import Turns
from kadr.contracts.errors import InvalidObject, KadrError, ObjectMissing
from kadr.pipeline.budget import Budget
from kadr.pipeline.spec import spec_from_json
from kadr.storage import layout
from kadr.telemetry.metrics import ControlMetrics

_log = logging.getLogger("kadr.control")

HINTS = 50
"""How many are looked at before it is asked for new ones."""
WAITING = 2000
"""How many are taken before they are looked at: who came late is not to wait for who came with many."""
BLOCK_MS = 1000
TICK_S = 0.1
LOOKS = 4
"""Between two looks at depths, those at processes that start."""
RESTING_MS = 1000
"""How often a function is looked at that has neither tasks nor processes."""
SHORTEST_MS, LONGEST_MS = 50, 500
"""Between two looks at all lines."""
AWAY_S = 1.0
FREE = "acquire"
"""What waits for the store and for others does not count against this machine's cores."""


@dataclass
class MachineGate:
    """Lets as much run at once as the machine's budget holds."""

    budget: Budget

    def __post_init__(self) -> None:
        self._busy: list[str] = []
        self._left = threading.Condition()

    def enter(self, function: str, patience_s: float = TICK_S) -> bool:
        """Waits for room, ``patience_s`` at most; False where there was none."""
        if function == FREE:
            return True
        with self._left:
            if not self._left.wait_for(lambda: self.budget.fits(function, self._busy), patience_s):
                return False
            self._busy.append(function)
            return True

    def leave(self, function: str) -> None:
        with self._left:
            if function in self._busy:
                self._busy.remove(function)
                self._left.notify_all()


@dataclass
class Lane:
    """One function: how it is scaled, and who feeds it."""

    scaler: Scaler
    pump: Pump
    capacity: int
    """Most tasks at once: max-scale × concurrency."""


class Beside(Protocol):
    """What runs along and is none of the chain: :class:`events.answers.deliverer.Deliverer`."""

    def start(self) -> None: ...
    def stop(self, patience_s: float) -> None: ...


@dataclass
class Control:
    """Runs in threads from ``start`` to ``stop``."""

    server: Server
    hints: Hints
    router: Router
    reconciler: Reconciler
    dispatcher: Dispatcher
    lanes: Mapping[str, Lane]
    index: Callable[[str, str, bool], None] = lambda owner, run_id, ended: None
    """Told of every run that something was written of, and whether it says that it ended; never fails."""
    metrics: ControlMetrics = field(default_factory=ControlMetrics)
    depths: dict[str, Depth] = field(default_factory=dict)
    beside: Beside | None = None

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._wanted = threading.Event()
        """Set where something waits for a function that has no process."""
        loops = (self._route, self._dispatch, self._scale, self._reconcile)
        self._threads = [threading.Thread(target=loop, name=loop.__name__, daemon=True) for loop in loops]

    def start(self) -> None:
        for lane in self.lanes.values():
            lane.pump.start()
        if self.beside is not None:
            self.beside.start()
        for thread in self._threads:
            thread.start()

    def replicas(self) -> dict[str, tuple[int, int]]:
        """By function: how many are ready, and how many are starting."""
        return {name: lane.scaler.replicas for name, lane in self.lanes.items()}

    @property
    def ended(self) -> str:
        """Which of its loops ended though nobody said so; empty if none did."""
        return ", ".join(t.name.strip("_") for t in self._threads if t.ident is not None and not t.is_alive())

    def stop(self, patience_s: float = 30.0) -> None:
        """Drain: nothing new is taken; what is in flight may end within ``patience_s``."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        stoppers = [
            threading.Thread(target=lane.pump.stop, args=(patience_s,)) for lane in self.lanes.values()
        ]
        if self.beside is not None:
            stoppers.append(threading.Thread(target=self.beside.stop, args=(patience_s,)))
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()
        for lane in self.lanes.values():
            lane.scaler.stop()

    def _route(self) -> None:
        turns = Turns()
        while not self._stop.is_set():
            try:
                turns.add(self.hints.take(WAITING - len(turns), 0 if turns else BLOCK_MS))
                hints = turns.take(HINTS)
                names = [name for hint in hints for name in hint.names]
                self.router.told(dict.fromkeys(names))
                self._tell_index(names)
                self.reconciler.reopened(names)
                for hint in hints:
                    if hint.lost is not None:
                        self._plan_anew(hint.lost)
                self.hints.done(hints)
                self.metrics.hints.inc(len(hints))
            except KadrError as error:  # whoever takes the hints over tries again, or the reconciler does
                _log.warning("%s", error)
                self._stop.wait(AWAY_S)
            except Exception:
                _log.exception("the router met what it does not know")
                self._stop.wait(AWAY_S)

    def _tell_index(self, names: Sequence[str]) -> None:
        ended: dict[tuple[str, str], bool] = {}
        for owner, run_id, below in filter(None, map(layout.parse_run, names)):
            ended[owner, run_id] = ended.get((owner, run_id), False) or below.startswith("done.")
        for (owner, run_id), done in ended.items():
            self.index(owner, run_id, done)

    def _plan_anew(self, plain: object) -> None:
        try:
            spec = spec_from_json(plain)
        except InvalidObject as error:
            _log.warning("%s", error)
            return
        try:
            if not self.router.lost(spec):
                self.router.move(spec.owner, spec.run_id, anew=True)
        except (ObjectMissing, InvalidObject) as error:  # of this run alone: the other hints are done with
            _log.warning("the run cannot be moved on: %s", error, extra=about(spec.run_id, spec.owner))

    def _dispatch(self) -> None:
        """A function's stream as soon as its bell rings; all of them when something is due, and now and then."""
        functions, due = list(self.lanes), 0.0
        while not self._stop.is_set():
            try:
                left_ms = int((due - time.monotonic()) * 1000)
                if left_ms <= 0:
                    due = self._fill(functions)
                elif rung := self.dispatcher.wait(functions, left_ms):
                    due = min(due, self._fill([rung]))
                    # Bells are answered in this order: whose has just rung comes last.
                    functions.remove(rung)
                    functions.append(rung)
            except QueueUnavailable as error:
                _log.warning("%s", error)
                self._stop.wait(AWAY_S)

    def _fill(self, functions: Sequence[str]) -> float:
        """When to look again, bell or no bell."""
        done = [self.dispatcher.dispatch(name, self.lanes[name].capacity) for name in functions]
        if any(
            d.moved and not any(self.lanes[n].scaler.replicas) for n, d in zip(functions, done, strict=True)
        ):
            self._wanted.set()
        soon_ms = min((d.soon_ms for d in done if d.soon_ms is not None), default=LONGEST_MS)
        return time.monotonic() + min(max(soon_ms, SHORTEST_MS), LONGEST_MS) / 1000

    def _scale(self) -> None:
        """What has nothing to do is looked at now and then, or when something comes for it."""
        looked: dict[str, int] = {}
        while not self._stop.is_set():
            now_ms = time.monotonic_ns() // 1_000_000
            for name, lane in self.lanes.items():
                if self._rests(name, lane) and now_ms - looked.get(name, 0) < RESTING_MS:
                    continue
                looked[name] = now_ms
                try:
                    self.depths[name] = depth(self.server, name)
                    lane.scaler.follow(self.depths[name], now_ms)
                except KadrError as error:
                    self.depths.pop(name, None)  # what is not known is not shown
                    _log.warning("%s", error, extra={"function": name})
            if self._await_replicas():
                looked.clear()

    def _rests(self, name: str, lane: Lane) -> bool:
        known = self.depths.get(name)
        idle = known is not None and not known.depth + known.delayed + known.parked
        return idle and not any(lane.scaler.replicas)

    def _await_replicas(self) -> bool:
        """Until depths are looked at again: sooner, and True, where something waits for a function that has no process."""
        for _ in range(LOOKS):
            if self._wanted.wait(TICK_S * 2 / LOOKS):
                self._wanted.clear()
                return True
            for lane in self.lanes.values():
                lane.scaler.look()
        return False

    def _reconcile(self) -> None:
        self.reconciler.keep_on(self._stop)
