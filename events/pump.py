"""The pump: takes entries from a function's stream, posts them to its replicas over HTTP, and acts on what they answer.

It keeps in flight what the replicas have room for, no more, and beats for what is in flight. It never computes and may be killed:
its entries go to another one when their lease runs out. Where its component says so, several entries go out in one request; each
is answered, acknowledged, tried again and lost by itself.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from events import batches
from events.messages import RENDER, about
from events.outcomes import BAD, outcome
from events.posting import Answer, Delivery, Post
from events.queue.consumer import Consumer
from events.queue.delays import delay_ms
from events.queue.errors import QueueUnavailable
from events.queue.messages import Entry, Failure, Message
from events.queue.queue import Queue
from kadr.contracts.errors import NoSpaceLeft, StoreFailure
from kadr.pipeline.failing import give_up
from kadr.pipeline.messages import Finished
from kadr.storage import layout
from kadr.storage.store import ObjectStore
from kadr.telemetry.metrics import ControlMetrics

_log = logging.getLogger("kadr.pump")

ATTEMPTS = 5
NEVER = (400, 413, 415, 422)
FORBIDDEN = (401, 403)
DROPPED = 410
BLOCK_MS = 500
PAUSE_S = 0.05
AWAY_S = 1.0
AGAIN_MS = 500
"""When what was no attempt is tried again."""
OUTAGE = frozenset({StoreFailure.__name__, NoSpaceLeft.__name__})
"""What says nothing of the task: the store was away or full. It counts as no attempt for the first day."""
OUTAGE_PAUSES = 2
OUTAGE_MS = 86_400_000


class Replicas(Protocol):
    """Where a function can be reached now."""

    def addresses(self) -> Sequence[str]:
        """URLs of the replicas that are ready."""
        ...


class Gate(Protocol):
    """Room on this machine for one more task. ``enter`` waits for it a little; False: there is none yet."""

    def enter(self, function: str) -> bool: ...
    def leave(self, function: str) -> None: ...


class Open:
    """A gate that lets all through."""

    def enter(self, function: str) -> bool:
        return True

    def leave(self, function: str) -> None:
        return None


@dataclass
class Told:
    """Who hears of what the pump learns."""

    wrote: Callable[[str], None]
    """The name of a record that a function wrote."""
    lost: Callable[[dict[str, Any]], None]
    """A task, as its event carried it, that has to be planned anew: its inputs cannot be read, or it is of another version."""


@dataclass
class Pump:
    """One function's. ``start`` it, then ``stop``: it takes nothing more and waits for what is in flight."""

    consumer: Consumer
    queue: Queue
    store: ObjectStore
    replicas: Replicas
    told: Told
    concurrency: int = 1
    most: int = 4
    """Requests at once."""
    timeout_s: float = 3700.0
    """For each task."""
    batch: int = 1
    """Most tasks in one request."""
    window_ms: int = 0
    """How long a request waits for more tasks."""
    attempts: int = ATTEMPTS
    """After so many a task is given up."""
    gate: Gate = field(default_factory=Open)
    metrics: ControlMetrics = field(default_factory=ControlMetrics)

    def __post_init__(self) -> None:
        self.batch = min(self.batch, batches.MOST)
        self.flying: dict[str, tuple[Entry, Delivery]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._room = threading.Event()
        self._post = Post(self.most, self.timeout_s)
        self._pool = ThreadPoolExecutor(self.most, f"pump {self.consumer.function}")
        self._thread = threading.Thread(target=self._loop, name=f"pump {self.consumer.function}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def busy(self) -> set[str]:
        """URLs of the replicas that have something in hand."""
        with self._lock:
            return {delivery.address for _, delivery in self.flying.values()}

    def stop(self, patience_s: float = 30.0) -> None:
        """Drain: what is in flight may end within ``patience_s``; the rest goes back into the line."""
        self._stopping.set()
        self._thread.join()
        deadline = time.monotonic() + patience_s
        while self.flying and time.monotonic() < deadline:
            self._beat()
            time.sleep(PAUSE_S)
        with self._lock:
            left = [entry for entry, _ in self.flying.values()]
        try:
            self.consumer.put_back(left)
            self.consumer.leave()
        except QueueUnavailable:
            pass  # the lease ends by itself
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _loop(self) -> None:
        beaten = time.monotonic()
        while not self._stopping.is_set():
            try:
                if time.monotonic() - beaten > self.consumer.lease_ms / 3000:
                    beaten = time.monotonic()
                    self._beat()
                self._fill()
            except QueueUnavailable as error:
                _log.warning("%s", error, extra={"function": self.consumer.function})
                self._stopping.wait(AWAY_S)

    def _beat(self) -> None:
        with self._lock:
            flying = dict(self.flying)
        if not flying:
            return
        beat = self.consumer.heartbeat([entry for entry, _ in flying.values()])
        stale: dict[str, list[Entry]] = {}
        with self._lock:
            stopped = [e for e in (*beat.refused, *beat.cancelled) if e.stream_id in self.flying]
        for entry in stopped:
            _log.warning("%s is not ours any more", entry.message.task, extra=self._about(entry.message))
            stale.setdefault(flying[entry.stream_id][1].name, []).append(entry)
        for delivery in {d.name: d for _, d in flying.values()}.values():
            if delivery.name in stale:
                self._post.drop(delivery, stale[delivery.name])

    def _fill(self) -> None:
        self._room.clear()
        free = self._free()
        if not free:
            self._room.wait(PAUSE_S)
            return
        if entries := self._gather():
            delivery = Delivery(free[0], tuple(entries))
            with self._lock:
                self.flying |= {entry.stream_id: (entry, delivery) for entry in entries}
            self._pool.submit(self._deliver, delivery)

    def _gather(self) -> list[Entry]:
        """What goes out in one request: what there is, and what comes within the window."""
        entries = self.consumer.take(self.batch, BLOCK_MS)
        until = time.monotonic() + self.window_ms / 1000
        with suppress(QueueUnavailable):  # what was taken goes out
            while entries and len(entries) < self.batch and not self._stopping.is_set():
                if (left_ms := int((until - time.monotonic()) * 1000)) <= 0:
                    break
                entries += self.consumer.take(self.batch - len(entries), left_ms)
        return entries

    def _free(self) -> list[str]:
        """Replicas that have room, the idlest first."""
        with self._lock:
            deliveries = {delivery.name: delivery for _, delivery in self.flying.values()}
        busy = Counter(delivery.address for delivery in deliveries.values())
        free = [a for a in self.replicas.addresses() if busy[a] < self.concurrency]
        return [] if len(deliveries) >= self.most else sorted(free, key=lambda a: busy[a])

    def _deliver(self, delivery: Delivery) -> None:
        """Only what was taken waits at the gate: an idle function holds no place there."""
        while not (entered := self.gate.enter(self.consumer.function)) and not self._stopping.is_set():
            pass
        if self._stopping.is_set():
            return self._not_posted(delivery, entered)
        try:
            began = time.monotonic()
            for entry, answer in self._post.deliver(delivery):
                self._ended(entry, answer, time.monotonic() - began)
                began = time.monotonic()
        except Exception:
            tasks = ", ".join(entry.message.task for entry in delivery.entries)
            _log.exception("%s: not delivered", tasks, extra={"function": self.consumer.function})
        finally:
            self.gate.leave(self.consumer.function)
            self._forget(delivery.entries)

    def _not_posted(self, delivery: Delivery, entered: bool) -> None:
        """The pump stops: what nobody has begun goes back into the line at once."""
        if entered:
            self.gate.leave(self.consumer.function)
        with self._lock:  # or a beat between the two would take it for lost
            with suppress(QueueUnavailable):  # the lease ends by itself
                self.consumer.put_back(delivery.entries)
            for entry in delivery.entries:
                self.flying.pop(entry.stream_id, None)

    def _forget(self, entries: Sequence[Entry]) -> None:
        with self._lock:
            for entry in entries:
                self.flying.pop(entry.stream_id, None)
        self._room.set()

    def _ended(self, entry: Entry, answer: Answer, seconds: float) -> None:
        """What goes wrong with one task of a batch is no matter of the others."""
        try:
            self._say(entry.message, self._act(entry, answer), answer, seconds)
        except QueueUnavailable as error:
            # The lease ends, and somebody takes it over.
            _log.warning("%s: %s", entry.message.task, error, extra=self._about(entry.message))
        except Exception:
            _log.exception("%s was not answered for", entry.message.task, extra=self._about(entry.message))
        finally:
            self._forget([entry])

    def _about(self, message: Message) -> dict[str, Any]:
        found = about(message.run_id, message.owner, message.task, message.trace)
        return found | {"function": message.function, "attempt": message.attempt + 1}

    def _say(self, message: Message, how: str, answer: Answer, seconds: float) -> None:
        self.metrics.delivery_seconds.labels(message.function, how).observe(seconds)
        why = f": {answer.code}: {answer.detail}" if how in BAD and answer.status != 200 else ""
        fields = self._about(message) | {"outcome": how, "seconds": round(seconds, 3)}
        level = logging.WARNING if how in BAD else logging.INFO
        _log.log(level, "%s: %s after %.2f s%s", message.task, how, seconds, why[:1000], extra=fields)

    def _act(self, entry: Entry, answer: Answer) -> str:
        """What came of it, in one word."""
        if answer.status == 200:
            if name := answer.said.get("record"):
                self.told.wrote(str(name))
            self.consumer.finish([entry])
        elif answer.status == DROPPED:
            self.consumer.finish([entry])  # refused where it is another's now
        elif answer.status == 409:
            self.consumer.finish([entry])
            self.told.lost(json.loads(entry.message.body).get("task") or {})
        elif answer.status in FORBIDDEN:
            self.queue.pause(self.consumer.function, f"its replicas answer {answer.status}: {answer.detail}")
            self.consumer.put_back([entry])
        elif answer.status in NEVER and answer.said.get("retryable") is False:
            self._give_up(entry, answer)
        elif answer.said.get("attempt") is False:
            self._wait(entry, answer)
        elif answer.code in OUTAGE and time.time_ns() // 1_000_000 - entry.at_ms < OUTAGE_MS:
            wait_ms = delay_ms(OUTAGE_PAUSES, answer.retry_after_ms, random.random)
            self.consumer.retry_later(entry, wait_ms, counted=False)
            return "retried"
        elif entry.message.attempt + 1 >= self.attempts:
            self._give_up(entry, answer)
            return "given_up"
        else:
            wait_ms = delay_ms(entry.message.attempt, answer.retry_after_ms, random.random)
            self.consumer.retry_later(entry, wait_ms, Failure(answer.code, answer.detail))
            return "retried"
        return outcome(answer.status, answer.said)

    def _wait(self, entry: Entry, answer: Answer) -> None:
        if key := answer.said.get("key"):
            self.consumer.park(entry, str(key))
        else:
            self.consumer.retry_later(entry, answer.retry_after_ms or AGAIN_MS, counted=False)

    def _give_up(self, entry: Entry, answer: Answer) -> None:
        """The failure is recorded before the letter is dead: a run never waits for what nobody will do."""
        m = entry.message
        if m.task != RENDER:  # whose failure changes nothing of the run
            done = Finished(ticket=0, code=answer.code, message=answer.detail)
            try:
                name, _ = give_up(self.store, m.owner, m.run_id, m.epoch, m.task, m.key, done, m.attempt + 1)
            except StoreFailure as error:
                self.consumer.retry_later(entry, AGAIN_MS, Failure(error.code, str(error)), counted=False)
                return
            self.told.wrote(layout.state_prefix(m.owner, m.run_id) + name)
        self.consumer.give_up(entry, Failure(answer.code, answer.detail))
