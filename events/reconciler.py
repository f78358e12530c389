"""The reconciler: bucket against queue, by what is there rather than by what was told. It finishes what a lost hint left behind."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
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

STATE = "state/"
RENDERED_S = 3600.0
"""How long a report that was there is taken to be there: the idle service asks nothing for each run that ever was."""


@dataclass
class Reconciler:
    """Moves every open run on, every ``pause_s``."""

    store: ObjectStore
    router: Router
    sweep: Callable[[], None] = lambda: None
    """Looks through the inboxes."""
    metrics: ControlMetrics = field(default_factory=ControlMetrics)
    pause_s: float = 15.0
    _rendered: dict[str, float] = field(default_factory=dict)
    """Reports that were there, by when."""

    def once(self) -> int:
        """Look at all runs; how many are open."""
        self.sweep()
        opened, now = 0, time.monotonic()
        self._rendered = {n: at for n, at in self._rendered.items() if now - at < RENDERED_S}
        for owner, run_id, names in self._runs():
            if not _closed(names):
                opened += 1
            elif not self._unrendered(owner, run_id, names):
                continue
            try:
                self.router.move(owner, run_id, anew=True)
            except QueueUnavailable:
                raise
            except KadrError as error:
                _log.warning("the run cannot be moved on: %s", error, extra=about(run_id, owner))
        self.metrics.reconciler_passes.inc()
        self.metrics.open_runs.set(opened)
        return opened

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
        for name in self.store.list(STATE):
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

    def _unrendered(self, owner: str, run_id: str, names: list[str]) -> bool:
        """Whether the last end of the run has no report yet; a run that never had a video gets none."""
        digest = _last_done(names)
        seen = any(n.partition("/")[2].startswith(f"{ACQUIRE}.") and n.endswith(".ok.json") for n in names)
        if digest is None or not seen:
            return False
        name, now = layout.report_file(owner, run_id, digest, "report.html"), time.monotonic()
        if now - self._rendered.get(name, -math.inf) < RENDERED_S:
            return False
        if self.store.exists(name):
            self._rendered[name] = now
            return False
        return True


def _marks(names: list[str]) -> list[layout.MarkName]:
    return [m for n in names if isinstance(m := layout.parse_state(n), layout.MarkName)]


def _closed(names: list[str]) -> bool:
    """Whether the newest epoch that was opened is closed."""
    marks = _marks(names)
    opened = max([1, *(m.epoch for m in marks if m.what == "retry")])
    return any(m.what == "done" and m.epoch == opened for m in marks)


def _last_done(names: list[str]) -> str | None:
    done = [(m.epoch, m.digest) for m in _marks(names) if m.what == "done" and m.digest]
    return max(done)[1] if done else None
