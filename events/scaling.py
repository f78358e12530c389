"""Function processes on one machine: as many as the queue's depth asks for, by KEDA's formula, none when there is nothing to do."""

from __future__ import annotations

import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from events.queue.depth import Depth
from events.queue.replicas import Rule, Scale, step
from kadr.telemetry.metrics import ControlMetrics

_log = logging.getLogger("kadr.scaling")

READY_S = 1.0


class Replica(Protocol):
    """One process of a function."""

    @property
    def address(self) -> str: ...
    @property
    def alive(self) -> bool: ...
    def stop(self) -> None: ...


@dataclass
class _Running:
    replica: Replica
    began: float
    ready: bool = False


@dataclass
class Scaler:
    """One function's replicas. ``address`` is asked at /health/ready before anything is sent there."""

    function: str
    rule: Rule
    start: Callable[[], Replica]
    scale: Scale = field(default_factory=Scale)
    busy: Callable[[], Collection[str]] = lambda: ()
    """Addresses of those that have something in hand: another one is stopped."""
    metrics: ControlMetrics = field(default_factory=ControlMetrics)

    def __post_init__(self) -> None:
        self._running: list[_Running] = []
        self._lock = threading.Lock()

    @property
    def replicas(self) -> tuple[int, int]:
        """How many are ready, and how many are starting."""
        with self._lock:
            ready = sum(r.ready for r in self._running)
            return ready, len(self._running) - ready

    def addresses(self) -> Sequence[str]:
        """URLs of the replicas that are ready."""
        with self._lock:
            return [r.replica.address for r in self._running if r.ready]

    def follow(self, depth: Depth, now_ms: int) -> None:
        """Start, stop and look at replicas, as ``depth`` asks."""
        self.scale = step(self.scale, depth.in_stream + depth.ready + depth.due, self.rule, now_ms)
        wanted = self.scale.replicas
        with self._lock:
            for running in [r for r in self._running if not r.replica.alive]:
                _log.warning("a replica ended by itself", extra={"function": self.function})
                self.metrics.replica_deaths.labels(self.function).inc()
                running.replica.stop()
                self._running.remove(running)
            for running in self._idle()[: max(0, len(self._running) - wanted)]:
                running.replica.stop()
                self._running.remove(running)
            while len(self._running) < wanted:
                self._running.append(_Running(self.start(), time.monotonic()))
        self.look()

    def _idle(self) -> list[_Running]:
        """The newest first."""
        busy = self.busy()
        return [r for r in reversed(self._running) if r.replica.address not in busy]

    def look(self) -> None:
        """Ask those that start whether they are ready."""
        for running in [r for r in self._running if not r.ready]:
            if _answers(running.replica.address):
                running.ready = True
                seconds = time.monotonic() - running.began
                self.metrics.cold_start_seconds.labels(self.function).observe(seconds)
                fields = {"function": self.function, "seconds": round(seconds, 3)}
                _log.info("a replica is ready after %.2f s", seconds, extra=fields)

    def stop(self) -> None:
        with self._lock:
            for running in self._running:
                running.replica.stop()
            self._running.clear()


def _answers(address: str) -> bool:
    with (
        suppress(OSError, ValueError),
        urllib.request.urlopen(f"{address}/health/ready", timeout=READY_S) as answer,
    ):
        return bool(answer.status == 200)
    return False
