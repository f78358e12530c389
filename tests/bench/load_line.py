"""Ten hours of one owner's video before nine small owners' videos, at the real queue: what each is served, and who waits how long.

The queue, its scripts and the dispatcher are real, the work is not: workers take as long as a task costs, on a clock that jumps. So
the same load in the order of arrival, everything in one owner's line, is measured beside it.
"""

from __future__ import annotations

import heapq
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.servers.valkey import Valkey
from events.queue.consumer import Consumer
from events.queue.dispatch import Dispatcher
from events.queue.messages import Entry, Message
from events.queue.queue import Queue
from events.queue.server import Server
from tests.bench.load_fair import jain

FUNCTION = "ocr"
WORKERS = 4
COST = 10.0
"""Seconds of work a minute of video."""
HOURS, BIG = 10, "ten hours"
MINUTES = [1, 2, 4, 8, 15, 30, 30, 60, 60]
"""What the nine others have, cut into chunks of at most a minute."""
WINDOW_S = 120.0


@dataclass(frozen=True)
class Done:
    """A task: whose, when it began and ended on the clock that jumps, and what it cost."""

    owner: str
    began: float
    ended: float
    cost: float


def load() -> list[tuple[str, float]]:
    """(owner, cost), the big one first."""
    said = [(BIG, COST)] * (60 * HOURS)
    for n, minutes in enumerate(MINUTES):
        # Cut differently, so that as many tasks are not as much work.
        pieces, part = (minutes, 1.0) if n % 2 else (minutes * 3, 1 / 3)
        said += [(f"{n + 1}: {minutes} min", COST * part)] * pieces
    return said


def work(server: Server, tasks: Sequence[tuple[str, float]], in_order: bool) -> list[Done]:
    """All of it done by WORKERS; ``in_order``: everybody in one line."""
    whose = {f"task.{n}": owner for n, (owner, _) in enumerate(tasks)}
    Queue(server).ready_all(
        [
            Message(FUNCTION, f"run{n}", "all" if in_order else owner, f"task.{n}", "{}", "k" * 64, cost=cost)
            for n, (owner, cost) in enumerate(tasks)
        ]
    )
    dispatcher, consumer = Dispatcher(server), Consumer(server, FUNCTION, lease_ms=600_000)
    clock, busy, done = 0.0, list[tuple[float, int, Entry]](), list[Done]()
    while len(done) < len(tasks):
        dispatcher.dispatch(FUNCTION, WORKERS)
        for entry in consumer.take(WORKERS - len(busy)) if len(busy) < WORKERS else ():
            heapq.heappush(busy, (clock + entry.message.cost, len(done) + id(entry), entry))
        clock, _, entry = heapq.heappop(busy)
        consumer.finish([entry])
        cost = entry.message.cost
        done.append(Done(whose[entry.message.task], clock - cost, clock, cost))
    return done


def indexes(done: Sequence[Done]) -> list[float]:
    """Jain's index of the work served in each window, among the owners who have work during all of it."""
    last: dict[str, float] = {}
    for one in done:
        last[one.owner] = max(last.get(one.owner, 0.0), one.began)
    found, start = list[float](), 0.0
    while True:
        there = [owner for owner, at in last.items() if at >= start + WINDOW_S]
        if len(there) < 2:
            return found
        served: Counter[str] = Counter()
        for one in done:
            if start <= one.ended < start + WINDOW_S:
                served[one.owner] += one.cost  # type: ignore[assignment]
        found.append(jain([served[owner] for owner in there]))
        start += WINDOW_S


def run() -> None:
    tasks = load()
    with tempfile.TemporaryDirectory() as folder, Valkey(Path(folder)) as valkey:
        began = time.monotonic()
        fair = work(Server(valkey.url, "fair"), tasks, in_order=False)
        took = time.monotonic() - began
        order = work(Server(valkey.url, "order"), tasks, in_order=True)
    print(f"{len(tasks)} tasks, {WORKERS} workers; {3 * len(tasks) / took:.0f} calls of the queue a second")
    found = indexes(fair)
    print(
        f"Jain's index of work served, in windows of {WINDOW_S:.0f} s: median {statistics.median(found):.3f}, "
        f"least {min(found):.3f} ({len(found)}); in order of arrival {statistics.median(indexes(order)):.3f}\n"
    )
    print("| owner | ended after, fair | in order of arrival | first task began, fair | in order |")
    print("|---|---:|---:|---:|---:|")
    for owner, mine in _by_owner(fair).items():
        theirs = _by_owner(order)[owner]
        print(f"| {owner} | {mine[1]:.0f} s | {theirs[1]:.0f} s | {mine[0]:.0f} s | {theirs[0]:.0f} s |")


def _by_owner(done: Sequence[Done]) -> dict[str, tuple[float, float]]:
    """When the first task of each began, and the last ended."""
    found: dict[str, list[Done]] = defaultdict(list)
    for one in done:
        found[one.owner].append(one)
    return {o: (min(d.began for d in ds), max(d.ended for d in ds)) for o, ds in sorted(found.items())}
