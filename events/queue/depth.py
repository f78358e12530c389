"""How full the queue is: one function computes it for metrics, scaling, `kadr top` and tests alike."""

from __future__ import annotations

from dataclasses import dataclass

from events.queue.consumer import LEASE_MS
from events.queue.server import Server


@dataclass(frozen=True)
class Depth:
    """Gauges of this moment, then what was counted since the queue was made."""

    ready: int
    """In owners' lines."""
    due: int
    """Delayed, and their time has come."""
    delayed: int
    """Delayed, and their time is still to come."""
    lag: int
    """In the stream, and nobody has taken them."""
    pending: int
    """Taken and not finished."""
    in_flight: int
    """Pending under a lease that still runs."""
    parked: int
    """Waiting for somebody else's claim."""
    dead: int
    oldest_ms: int
    """Age of what has been in the queue the longest, parked and delayed included; 0 where it is empty."""
    paused: str | None
    """Why nothing is taken, or None."""

    enqueued: int
    finished: int
    retries: int
    taken_over: int
    """Entries whose lease had run out."""
    cancelled: int
    given_up: int
    replayed: int
    letters_dropped: int
    """Dead letters dropped, by hand or because there were too many."""

    @property
    def depth(self) -> int:
        return self.ready + self.due + self.lag + self.pending

    @property
    def in_stream(self) -> int:
        """What replicas are scaled by."""
        return self.lag + self.pending


def depth(server: Server, function: str, lease_ms: int = LEASE_MS) -> Depth:
    """What waits for ``function`` and what became of the rest. Raises QueueUnavailable."""
    raw = server.function("depth", function, lease_ms)
    counted = dict(zip(raw[0][::2], map(int, raw[0][1::2]), strict=True))
    due, delayed, lag, pending, in_flight, oldest_ms, parked, dead, paused = raw[1:10]
    return Depth(
        ready=counted.get("ready", 0),
        due=due,
        delayed=delayed,
        lag=lag,
        pending=pending,
        in_flight=in_flight,
        parked=parked,
        dead=dead,
        oldest_ms=oldest_ms,
        paused=paused,
        enqueued=counted.get("enqueued", 0),
        finished=counted.get("finished", 0),
        retries=counted.get("retried", 0),
        taken_over=counted.get("taken_over", 0),
        cancelled=counted.get("cancelled", 0),
        given_up=counted.get("given_up", 0),
        replayed=counted.get("replayed", 0),
        letters_dropped=counted.get("letters_dropped", 0),
    )
