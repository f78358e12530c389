"""Which function process is stopped when fewer are needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from events.queue.depth import Depth
from events.queue.replicas import Rule
from events.scaling import Scaler

EMPTY = Depth(0, 0, 0, 0, 0, 0, 0, 0, 0, None, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass
class Place:
    """Where nothing runs."""

    address: str
    alive: bool = True

    def stop(self) -> None:
        self.alive = False


def test_one_that_is_at_work_is_not_stopped() -> None:
    """It has half a minute to end, and a task may take an hour."""
    places = [Place(f"http://127.0.0.1:{port}") for port in (1, 2)]
    coming = iter(places)
    scaler = Scaler("speech", Rule(1, 2, cooldown_ms=0), lambda: next(coming))
    scaler.follow(replace(EMPTY, lag=2), 0)
    older, newer = places
    busy = {newer.address}
    scaler.busy = lambda: busy
    scaler.follow(replace(EMPTY, pending=1, in_flight=1), 1)
    assert (older.alive, newer.alive) == (False, True)
    scaler.follow(EMPTY, 2)
    assert newer.alive, "its answer is still to be dealt with"
    busy.clear()
    scaler.follow(EMPTY, 3)
    assert not newer.alive
