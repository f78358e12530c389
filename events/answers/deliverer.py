"""Tells targets what they are owed: from a stream of its own, beside the chain and never in its way."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from events.answers.outbox import ANSWERS, Outbox, Owed, name_of
from events.answers.post import Post
from events.answers.resting import Resting
from events.answers.sending import Outcome, told
from events.answers.targets import CALLBACK, UNKNOWN, NotTold, Reached, Targets, host_of
from events.messages import about
from events.queue.consumer import Consumer
from events.queue.delays import delay_ms
from events.queue.dispatch import Dispatcher
from events.queue.errors import QueueUnavailable
from events.queue.messages import Entry, Failure
from kadr.contracts.errors import InvalidObject, KadrError, ObjectMissing
from kadr.storage import layout
from kadr.storage.layout import OwedName
from kadr.telemetry.metrics import ControlMetrics

_log = logging.getLogger("kadr.answers")

MOST = 8
"""Targets that are told at once."""
ATTEMPTS = 20
FIRST_MS, LONGEST_MS = 2000, 6 * 3_600_000
"""With full jitter, twenty attempts take a day or so."""
BLOCK_MS = 500
LETTERS = ("failed", "denied")
"""Of outcomes, those that make a dead letter."""
PAUSE_S = 0.05
AWAY_S = 1.0
REFRESH_S = 3.0
SOON_MS, AWAY_MS = 1000, 10_000
"""When what was no attempt is tried again: the run is about to be closed; database, store or secret are not there."""


@dataclass
class Deliverer:
    """Runs in threads from ``start`` to ``stop``. There may be several; any may be killed."""

    consumer: Consumer
    dispatcher: Dispatcher
    outbox: Outbox
    targets: Targets
    post: Post
    metrics: ControlMetrics = field(default_factory=ControlMetrics)
    most: int = MOST
    attempts: int = ATTEMPTS
    first_ms: int = FIRST_MS
    resting: Resting = field(default_factory=Resting)

    def __post_init__(self) -> None:
        self._flying: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(self.most, ANSWERS)
        self._threads = [
            threading.Thread(target=loop, name=ANSWERS, daemon=True) for loop in (self._loop, self._look)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, patience_s: float = 20.0) -> None:
        """Take nothing more; what is being told may end."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + patience_s
        while self._flying and time.monotonic() < deadline:
            time.sleep(PAUSE_S)
        with self._lock:
            left = list(self._flying.values())
        try:
            self.consumer.put_back(left)
            self.consumer.leave()
        except QueueUnavailable:
            pass  # the lease ends by itself

    def _look(self) -> None:
        while not self._stopping.is_set():
            self.targets.refresh()
            self._stopping.wait(REFRESH_S)

    def _loop(self) -> None:
        beaten = time.monotonic()
        while not self._stopping.is_set():
            try:
                self.dispatcher.dispatch(ANSWERS, self.most)
                if time.monotonic() - beaten > self.consumer.lease_ms / 3000:
                    beaten = time.monotonic()
                    self._beat()
                if not self._fill():
                    self.dispatcher.wait([ANSWERS], BLOCK_MS)
            except QueueUnavailable as error:
                _log.warning("%s", error)
                self._stopping.wait(AWAY_S)
            except Exception:
                _log.exception("the deliverer met what it does not know")
                self._stopping.wait(AWAY_S)

    def _beat(self) -> None:
        with self._lock:
            entries = list(self._flying.values())
        if entries:
            self.consumer.heartbeat(entries)

    def _fill(self) -> bool:
        """Whether there was room and something to fill it with."""
        with self._lock:
            room = self.most - len(self._flying)
        if room <= 0:
            self._stopping.wait(PAUSE_S)
            return True
        entries = self.consumer.take(room)
        for entry in entries:
            with self._lock:
                self._flying[entry.stream_id] = entry
            self._pool.submit(self._work, entry)
        return bool(entries)

    def _work(self, entry: Entry) -> None:
        try:
            self._one(entry)
        except QueueUnavailable as error:
            _log.warning("%s", error, extra=_about(entry))  # the lease ends, and somebody takes it over
        except KadrError as error:
            _log.warning("an answer waits: %s", error, extra=_about(entry))
            self._later(entry, AWAY_MS)
        except Exception:
            _log.exception("an answer was not told", extra=_about(entry))
            self._later(entry, AWAY_MS)
        finally:
            with self._lock:
                self._flying.pop(entry.stream_id, None)

    def _later(self, entry: Entry, wait_ms: int) -> None:
        try:
            self.consumer.retry_later(entry, wait_ms, counted=False)
        except QueueUnavailable as error:
            _log.warning("%s", error, extra=_about(entry))

    def _one(self, entry: Entry) -> None:
        name = name_of(entry.message)
        if name is None:
            self.consumer.give_up(entry, Failure("InvalidMessage", "it names nothing that can be owed"))
            return
        try:
            owed = self.outbox.read(name)
        except ObjectMissing:  # told by somebody else, or given up
            self._over(name, entry)
            return
        except InvalidObject as error:
            self.outbox.drop(name)
            self.consumer.give_up(entry, Failure(error.code, str(error)))
            return
        if self.outbox.settled(name):
            self.outbox.drop(name)
            self.consumer.finish([entry])
        elif self._due(owed, entry):
            self._tell(owed, entry)

    def _over(self, name: OwedName, entry: Entry) -> None:
        """Nothing is owed any more. Who gave it up may have died before its letter was written."""
        if (said := self.outbox.given_up(name)) is None:
            self.consumer.finish([entry])
        else:
            found = Outcome(str(said.get("outcome")), int(said.get("status") or 0), str(said.get("why")))
            self._end(entry, found)

    def _end(self, entry: Entry, found: Outcome) -> None:
        """What became of it is on record."""
        if found.how in LETTERS:
            self.consumer.give_up(entry, Failure(found.code, found.text))
        else:
            self.consumer.finish([entry])

    def _due(self, owed: Owed, entry: Entry) -> bool:
        """Whether it may be told now: a run's end only once it is on record."""
        if owed.closes is None:
            return True
        epoch = int(owed.event["data"]["epoch"])
        prefix = layout.state_prefix(owed.name.owner, owed.name.run_id)
        counts = min(self.outbox.store.list(f"{prefix}done.{epoch}."), default=None)
        if counts == owed.closes:
            return True
        request = layout.request(owed.name.owner, owed.name.run_id)
        if counts is not None or not self.outbox.store.exists(request):  # closed otherwise, or removed
            self.outbox.drop(owed.name)
            self.consumer.finish([entry])
        else:
            self.consumer.retry_later(entry, SOON_MS, counted=False)
        return False

    def _tell(self, owed: Owed, entry: Entry) -> None:
        if owed.target.kind == UNKNOWN:
            self._expand(owed, entry)
            return
        place = _place(owed)
        if wait_s := self.resting.enter(place):
            self.consumer.retry_later(entry, int(wait_s * 1000 * (1 + random.random())), counted=False)
            time.sleep(PAUSE_S)  # there may be thousands of them
            return
        began, failed = time.monotonic(), False
        try:
            to: Reached | None = None
            try:
                to = self.targets.reached(owed.target, owed.name.owner)
                found = told(self.post, to, owed.event)
            except NotTold as error:
                found = Outcome("removed", why=str(error))
            failed, seconds = found.passing, time.monotonic() - began
            self._say(owed, entry, self._acted(owed, entry, found), to, seconds)
        finally:
            self.resting.leave(place, failed, time.monotonic() - began)

    def _expand(self, owed: Owed, entry: Entry) -> None:
        """The database answers now: each webhook that it was meant for is owed it."""
        at_ms = _time_ms(owed.event)
        for target in self.targets.expanded(owed.name.owner, str(owed.event["type"]), at_ms):
            name = OwedName(owed.name.owner, owed.name.run_id, owed.name.event_id, target.name)
            if not self.outbox.settled(name):
                self.outbox.put(Owed(name, target, owed.event))
                self.outbox.tell([name])
        self.outbox.drop(owed.name)
        self.consumer.finish([entry])

    def _acted(self, owed: Owed, entry: Entry, found: Outcome) -> Outcome:
        attempt = entry.message.attempt
        if found.passing and attempt + 1 < self.attempts:
            wait_ms = delay_ms(attempt, found.after_ms, random.random, self.first_ms, LONGEST_MS)
            self.consumer.retry_later(entry, wait_ms, Failure(found.code, found.text))
            return found
        if found.passing:
            found = replace(found, how="failed")
        said = {
            "type": owed.event["type"],
            "outcome": found.how,
            "status": found.status,
            "why": found.text,
            "attempts": attempt + 1,
            "at_ms": time.time_ns() // 1_000_000,
        }
        self.outbox.settle(owed, found.how == "delivered", said)
        if found.how == "gone":
            self.targets.gone(owed.target, owed.name.owner)
        self._end(entry, found)
        return found

    def _say(self, owed: Owed, entry: Entry, found: Outcome, to: Reached | None, seconds: float) -> None:
        self.metrics.answer_seconds.labels(owed.target.kind, found.how).observe(seconds)
        where = f" at {host_of(to.url)}" if to else ""
        level = logging.INFO if found.how == "delivered" else logging.WARNING
        _log.log(
            level,
            "%s of %s%s: %s%s",
            owed.event["type"],
            owed.target.kind,
            where,
            found.how,
            f": {found.why}" if found.why else "",
            extra=_about(entry) | {"outcome": found.how, "seconds": round(seconds, 3)},
        )


def _place(owed: Owed) -> str:
    """What rests when it fails. Of callbacks it is the host, though each run may name a URL of its own; to each owner another,
    so that nobody lets another's answers wait."""
    if owed.target.kind == CALLBACK:
        return f"{owed.name.owner} {host_of(owed.target.of)}"
    return owed.name.target


def _time_ms(event: Mapping[str, Any]) -> int:
    try:
        return round(datetime.fromisoformat(str(event.get("time"))).timestamp() * 1000)
    except ValueError:
        return time.time_ns() // 1_000_000


def _about(entry: Entry) -> dict[str, Any]:
    m = entry.message
    found = about(m.run_id, m.owner, m.task, m.trace)
    return found | {"function": ANSWERS, "attempt": m.attempt + 1}
