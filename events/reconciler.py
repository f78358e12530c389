"""The reconciler: bucket against queue, by what is there rather than by what was told. It finishes what a lost hint left behind."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from events.messages import about
from events.queue.errors import QueueUnavailable
from events.router import Router
from kadr.contracts.errors import KadrError
from kadr.contracts.run import ACQUIRE
from kadr.storage import layout
from kadr.storage.store import ObjectStore
from kadr.telemetry.metrics import ControlMetrics

_log = logging.getLogger("kadr.reconciler")

RENDERED_S = 3600.0
"""How long a report that was there is taken to be there: the idle service asks nothing for each run that ever was."""
ALL_S = 600.0
"""Where there are many, runs that have ended are looked at again after so long: a new try may have been told to nobody."""
MANY = 10_000
"""Objects of ended runs for each owner, which take ten requests to list and their folders one."""
RARER = 1.5
"""A report that is missing still is asked for again after so many times as long: one that cannot be made is not made for ever."""
Run = tuple[str, str]
"""(owner, run id)"""


@dataclass
class Reconciler:
    """Moves every open run on, every ``pause_s``."""

    store: ObjectStore
    router: Router
    sweep: Callable[[], None] = lambda: None
    """Looks through the inboxes."""
    metrics: ControlMetrics = field(default_factory=ControlMetrics)
    pause_s: float = 15.0
    _ended: dict[Run, tuple[str, float]] = field(default_factory=dict)
    """Runs of which nothing is left to do: the manifest of their end, and when its report was seen."""
    _asked: dict[Run, tuple[float, float]] = field(default_factory=dict)
    """Ended runs whose report is missing: when it is to be asked for again, and how long after that."""
    _many: bool = False
    _all_at: float = -math.inf

    def once(self) -> int:
        """Look at all runs; how many are open."""
        self.sweep()
        now = time.monotonic()
        if self._many and now - self._all_at < ALL_S:
            opened = self._look(self._others(), self._ended)
        else:
            ended: dict[Run, tuple[str, float]] = {}
            opened = self._look(self._runs(), ended)
            self._ended, self._all_at = ended, now
        self.metrics.reconciler_passes.inc()
        self.metrics.open_runs.set(opened)
        return opened

    def reopened(self, names: Iterable[str]) -> None:
        """Of objects of ``state/`` that were written some say that a run which had ended is tried again."""
        for owner, run_id, below in filter(None, map(layout.parse_run, names)):
            if below.startswith("retry."):
                self._ended.pop((owner, run_id), None)

    def _look(self, runs: Iterable[tuple[str, str, list[str]]], ended: dict[Run, tuple[str, float]]) -> int:
        """Move on what is open and write down in ``ended`` what is not; how many are open."""
        opened, objects, owners = 0, 0, set[str]()
        for owner, run_id, names in runs:
            owners.add(owner)
            if not is_closed(names):
                opened += 1
                self._asked.pop((owner, run_id), None)
            elif (end := self._end(owner, run_id, names)) is not None:
                ended[owner, run_id] = end
                self._asked.pop((owner, run_id), None)
                objects += len(names)
                continue
            elif not self._is_due((owner, run_id)):
                continue
            try:
                self.router.move(owner, run_id, anew=True)
            except QueueUnavailable:
                raise
            except KadrError as error:
                _log.warning("the run cannot be moved on: %s", error, extra=about(run_id, owner))
        self._many = self._many or objects > MANY * (1 + len(owners))
        return opened

    def _is_due(self, run: Run) -> bool:
        """Whether the report of a run is to be asked for now."""
        now = time.monotonic()
        due, pause_s = self._asked.get(run, (now, self.pause_s / RARER))
        if now >= due:
            self._asked[run] = now + pause_s, min(pause_s * RARER, RENDERED_S)
        return now >= due

    def keep_on(self, stop: threading.Event) -> None:
        while not stop.is_set():
            began = time.monotonic()
            try:
                self.once()
            except KadrError as error:
                _log.warning("%s", error)
            stop.wait(max(1.0, self.pause_s - (time.monotonic() - began)))

    def _runs(self) -> Iterator[tuple[str, str, list[str]]]:
        """(owner, run id, names below its prefix) from one sorted listing."""
        at: tuple[str, str] | None = None
        names: list[str] = []
        for name in self.store.list(layout.ALL_STATE):
            found = layout.parse_run(name)
            if found is None:
                continue
            if found[:2] != at:
                if at is not None:
                    yield (*at, names)
                at, names = found[:2], []
            names.append(found[2])
        if at is not None:
            yield (*at, names)

    def _others(self) -> Iterator[tuple[str, str, list[str]]]:
        """The same of the runs that are not known to have ended, by what folders there are."""
        for owner in self.store.folders(layout.ALL_STATE):
            for run_id in self.store.folders(layout.requests_prefix(owner)):
                if (owner, run_id) not in self._ended:
                    prefix = layout.state_prefix(owner, run_id)
                    names = [name.removeprefix(prefix) for name in self.store.list(prefix)]
                    if names:
                        yield owner, run_id, names

    def _end(self, owner: str, run_id: str, names: list[str]) -> tuple[str, float] | None:
        """How the run ended, and when that was seen; None while its report is missing. A run that never had a video gets none."""
        digest, now = _last_done(names), time.monotonic()
        seen = any(n.partition("/")[2].startswith(f"{ACQUIRE}.") and n.endswith(".ok.json") for n in names)
        if digest is None or not seen:
            return digest or "", now
        known = self._ended.get((owner, run_id))
        if known is not None and known[0] == digest and now - known[1] < RENDERED_S:
            return known
        there = self.store.exists(layout.report_file(owner, run_id, digest, "report.html"))
        return (digest, now) if there else None


def _marks(names: list[str]) -> list[layout.MarkName]:
    return [m for n in names if isinstance(m := layout.parse_state(n), layout.MarkName)]


def is_closed(names: list[str]) -> bool:
    """Whether the newest epoch that was opened is closed."""
    marks = _marks(names)
    opened = max([1, *(m.epoch for m in marks if m.what == "retry")])
    return any(m.what == "done" and m.epoch == opened for m in marks)


def _last_done(names: list[str]) -> str | None:
    done = [(m.epoch, m.digest) for m in _marks(names) if m.what == "done" and m.digest]
    return max(done)[1] if done else None
