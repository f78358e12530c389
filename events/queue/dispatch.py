"""From the lines of owners into a function's stream: fair by work, by priority, under a rate limit, and never too much at once.

Between owners: start-time fair queueing on cost (P. Goyal, H. Vin, H. Cheng, SIGCOMM 1996). Higher priorities go first, always.
Any number of dispatchers may work on one function: each batch is one script.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from events.queue.errors import translated
from events.queue.server import Server

BATCH = 250
IDLE_CONSUMER_MS = 600_000
"""When a consumer that has nothing pending is forgotten."""


@dataclass(frozen=True)
class Rate:
    """A token bucket: ``per_s`` tasks a second, at most ``burst`` at once."""

    per_s: float
    burst: int = 1


def rates_of(text: str) -> dict[str, Rate]:
    """``speech=0.5, ocr=20:40``: tasks a second, and how many at once (a second's worth, unless it is said)."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, told = part.partition("=")
        per_s, _, burst = told.partition(":")
        found[name] = Rate(float(per_s), int(burst) if burst else max(1, math.ceil(float(per_s))))
    return found


@dataclass(frozen=True)
class Dispatched:
    """What one call moved."""

    moved: int
    """Tasks put into the stream."""
    due: int
    """Delayed tasks whose time had come: in line again."""
    woken: int
    """Tasks in line again because a claim's lease ran out."""
    dropped: int
    """Tasks of cancelled runs."""
    left: int
    """Tasks still in line."""
    soon_ms: int | None
    """When something may happen by itself: a delay, a lease or a token; None where nothing will."""


class Dispatcher:
    """Every method raises QueueUnavailable."""

    def __init__(self, server: Server, rates: Mapping[str, Rate] | None = None) -> None:
        self._server = server
        self._rates = dict(rates or {})

    def dispatch(self, function: str, capacity: int) -> Dispatched:
        """Fill the stream up to 2 × ``capacity`` (max-scale × concurrency) unfinished entries, in batches."""
        total = self._batch(function, capacity)
        last = total
        while (last.left and last.moved + last.dropped >= BATCH) or last.due >= BATCH:
            last = self._batch(function, capacity)
            total = Dispatched(
                total.moved + last.moved,
                total.due + last.due,
                total.woken + last.woken,
                total.dropped + last.dropped,
                last.left,
                last.soon_ms,
            )
        return total

    def _batch(self, function: str, capacity: int) -> Dispatched:
        rate = self._rates.get(function)
        per_s, burst = (repr(rate.per_s), rate.burst) if rate else ("0", 0)
        raw = self._server.function("dispatch", function, capacity, BATCH, per_s, burst, IDLE_CONSUMER_MS)
        moved, due, woken, dropped, left, soon_ms = raw
        return Dispatched(moved, due, woken, dropped, left, soon_ms if soon_ms >= 0 else None)

    def wait(self, functions: Sequence[str], timeout_ms: int) -> str | None:
        """The function where something was put in line or room was made, or None after ``timeout_ms``.

        Only a hint, and only one dispatcher gets it: look at all functions now and then. Assumes one node.
        """
        names = {self._server.names.bell(function): function for function in functions}
        seconds = max(0.001, min(timeout_ms, self._server.longest_block_ms) / 1000)
        with translated("queue, waiting for tasks"):
            rung = self._server.client.blpop(list(names), timeout=seconds)
        return names[rung[0]] if rung else None
