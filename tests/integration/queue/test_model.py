"""The queue against a model, whatever is done in whatever order: nothing is lost, nothing is finished by two, and depth adds up."""

from __future__ import annotations

import uuid
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from events.queue.claims import RedisClaim, RedisClaims
from events.queue.consumer import Consumer, Parked
from events.queue.deadletters import DeadLetters
from events.queue.depth import depth
from events.queue.dispatch import Dispatcher
from events.queue.messages import Entry, Failure, Message
from events.queue.queue import Queue
from events.queue.server import Server

OWNERS, RUNS, TASKS = ("ada", "bob", "eve"), ("r0", "r1"), 5
FAR_MS = 10**8
POOL = [
    Message("ocr", run, owner, f"{owner}.{n}", "{}", "k", priority=n % 3, cost=float(n))
    for n in range(TASKS)
    for run, owner in zip((*RUNS, "r0"), OWNERS, strict=True)
]
BY_ID = {m.id: m for m in POOL}


class Model(RuleBasedStateMachine):
    """``queued``: in line or in the stream. ``doomed``: how often something of a cancelled run was left to be dropped."""

    server: Server

    @initialize()
    def begin(self) -> None:
        self.queue, self.dispatcher, self.letters = (
            Queue(self.server),
            Dispatcher(self.server),
            DeadLetters(self.server),
        )
        self.workers = [Consumer(self.server, "ocr", lease_ms=FAR_MS) for _ in range(2)]
        self.claims = RedisClaims(self.server, "ocr", lease_ms=FAR_MS)
        self.claim: RedisClaim | None = None
        self.marked: set[str] = set()
        self.queued: set[str] = set()
        self.delayed: set[str] = set()
        self.parked: set[str] = set()
        self.dead: set[str] = set()
        self.held: dict[str, Entry] = {}
        self.stale: list[Entry] = []
        self.cancelled: set[str] = set()
        self.doomed = self.entered = self.finished = self.given_up = 0
        self.paused = False

    def live(self) -> set[str]:
        return self.queued | self.delayed | self.parked | set(self.held)

    def enter(self, ident: str, where: set[str]) -> None:
        """It is to wait somewhere; of a cancelled run nothing but its end waits."""
        if BY_ID[ident].run_id in self.cancelled:
            self.doomed += 1
        else:
            where.add(ident)

    @rule(which=st.lists(st.sampled_from(POOL), max_size=6))
    def ready(self, which: list[Message]) -> None:
        for message, new in zip(which, self.queue.ready_all(which), strict=True):
            assert new == (message.id not in self.marked)
            if new:
                self.marked.add(message.id)
                self.entered += 1
                self.enter(message.id, self.queued)

    @rule(message=st.sampled_from(POOL))
    def rearm(self, message: Message) -> None:
        new = self.queue.rearm(message)
        if message.run_id not in self.cancelled:
            assert new == (message.id not in self.live())
        self.marked.add(message.id)
        if new:
            self.entered += 1
            self.enter(message.id, self.queued)

    @rule(capacity=st.integers(0, 4))
    def dispatch(self, capacity: int) -> None:
        before = depth(self.server, "ocr")
        said = self.dispatcher.dispatch("ocr", capacity)
        after = depth(self.server, "ocr")
        room = 0 if self.paused else max(0, 2 * capacity - before.in_stream)
        assert said.moved == min(room, before.ready + before.due - said.dropped) or said.moved == room
        assert after.in_stream == before.in_stream + said.moved

    @rule(who=st.integers(0, 1), count=st.integers(1, 4))
    def take(self, who: int, count: int) -> None:
        self.got(self.workers[who].take(count))

    @rule(count=st.integers(1, 3))
    def lose_leases(self, count: int) -> None:
        got = replace_lease(self.workers[0]).take(count)
        for entry in got:
            if entry.taken_over:
                self.stale.append(self.held.pop(entry.message.id))
        gone = [e for e in self.held.values() if e.message.run_id in self.cancelled]
        if (
            gone and not self.paused
        ):  # the thief may have dropped any of them: they learn it when they are asked
            refused = [e for each in self.workers for e in each.heartbeat(own(gone, each)).refused]
            for entry in refused:
                self.stale.append(self.held.pop(entry.message.id))
                self.doomed += 1
        self.got(got)

    def got(self, entries: list[Entry]) -> None:
        assert not (self.paused and entries)
        for entry in entries:
            assert entry.message.run_id not in self.cancelled
            assert entry.message.id not in self.held
            assert entry.taken_over or entry.message.id in self.queued
            assert replace(entry.message, attempt=0) == BY_ID[entry.message.id]
            self.queued.discard(entry.message.id)
            self.held[entry.message.id] = entry

    def pick(self, data: st.DataObject) -> tuple[Consumer, Entry]:
        entry = data.draw(st.sampled_from(sorted(self.held.values(), key=lambda e: e.stream_id)))
        return self.of(entry), entry

    def of(self, entry: Entry) -> Consumer:
        return next(w for w in self.workers if w.name == entry.consumer)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        worker, entry = self.pick(data)
        assert worker.finish([entry, entry]) == [entry]
        assert worker.finish([entry]) == [entry]
        self.stale.append(self.held.pop(entry.message.id))
        self.finished += 1

    @precondition(lambda self: self.held)
    @rule(data=st.data(), now=st.booleans(), counted=st.booleans())
    def put_off(self, data: st.DataObject, now: bool, counted: bool) -> None:
        worker, entry = self.pick(data)
        assert worker.retry_later(entry, 0 if now else FAR_MS, Failure("E"), counted)
        self.stale.append(self.held.pop(entry.message.id))
        self.enter(entry.message.id, self.queued if now else self.delayed)

    @rule()
    def time_passes(self) -> None:
        key = self.server.names.function("ocr") + ":delayed"
        for ident in self.server.client.zrange(key, 0, -1):
            self.server.client.zadd(key, {ident: 1})
        self.queued |= self.delayed
        self.delayed.clear()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        worker, entry = self.pick(data)
        assert worker.give_up(entry, Failure("E", "why"))
        self.stale.append(self.held.pop(entry.message.id))
        self.given_up += 1
        self.dead.add(entry.message.id)

    @rule()
    def replay(self) -> None:
        before = depth(self.server, "ocr").replayed
        back = self.letters.replay("ocr", sorted(self.dead))
        assert depth(self.server, "ocr").replayed == before + back
        here = [i for i in self.dead if BY_ID[i].run_id not in self.cancelled]
        absent = [i for i in here if i not in self.live()]
        lost = back - len(absent)
        assert 0 <= lost <= len(self.dead) - len(here)
        self.queued |= set(absent)
        self.doomed += lost
        self.entered += back
        self.dead.clear()

    @rule()
    def claim_or_release(self) -> None:
        if self.claim is None:
            self.claim = self.claims.take("key")
            assert self.claim is not None
        else:
            self.claim.release()
            self.claim = None
            self.queued |= self.parked
            self.parked.clear()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def park(self, data: st.DataObject) -> None:
        worker, entry = self.pick(data)
        assert worker.park(entry, "key") is (Parked.PARKED if self.claim else Parked.READY)
        self.stale.append(self.held.pop(entry.message.id))
        self.enter(entry.message.id, self.parked if self.claim else self.queued)

    @rule()
    def steal_with_what_is_stale(self) -> None:
        for entry in self.stale[-4:]:
            worker = self.of(entry)
            assert worker.finish([entry]) == [entry]
            assert worker.heartbeat([entry]).refused == (entry,)
            assert not worker.retry_later(entry, 0)
            assert not worker.give_up(entry, Failure("E"))

    @rule()
    def heartbeat(self) -> None:
        for worker in self.workers:
            assert worker.heartbeat(own(list(self.held.values()), worker)).refused == ()

    @rule(run=st.sampled_from(RUNS))
    def cancel(self, run: str) -> None:
        if run in self.cancelled or self.claim:
            return
        self.queue.cancel(["ocr"], run, 1)
        self.cancelled.add(run)
        for where in (self.queued, self.delayed, self.parked):
            gone = {i for i in where if BY_ID[i].run_id == run}
            where -= gone
            self.doomed += len(gone)

    @rule()
    def pause_or_resume(self) -> None:
        self.paused = not self.paused
        if self.paused:
            self.queue.pause("ocr", "tested")
        else:
            self.queue.resume("ocr")

    @invariant()
    def depth_adds_up(self) -> None:
        said = depth(self.server, "ocr", lease_ms=FAR_MS)
        left = self.doomed - said.cancelled
        assert left >= 0
        assert said.depth + said.delayed + said.parked == len(self.live()) + left
        assert said.pending == said.in_flight == len(self.held)
        assert (said.finished, said.given_up, said.dead) == (self.finished, self.given_up, len(self.dead))
        assert said.enqueued + said.replayed == self.entered
        assert len(self.delayed) <= said.delayed + said.due <= len(self.delayed | self.queued) + left
        assert said.paused == ("tested" if self.paused else None)
        groups = self.server.client.xinfo_groups(self.server.names.stream("ocr")) if said.in_stream else []
        assert all(group["lag"] == said.lag for group in groups)

    def teardown(self) -> None:
        """Whatever happened: all that was not cancelled can still be finished, and then nothing is left."""
        if self.paused:
            self.pause_or_resume()
        if self.claim:
            self.claim_or_release()
        self.time_passes()
        for entry in list(self.held.values()):
            assert self.of(entry).finish([entry]) == []
        self.held.clear()
        while self.queued or depth(self.server, "ocr").depth:
            self.dispatcher.dispatch("ocr", 100)
            entries = self.workers[0].take(100)
            assert self.workers[0].finish(entries) == []
            self.queued -= {entry.message.id for entry in entries}
        assert self.server.client.xlen(self.server.names.stream("ocr")) == 0
        assert depth(self.server, "ocr").oldest_ms == 0
        self.claims.close()
        self.server.close()


def own(entries: list[Entry], worker: Consumer) -> list[Entry]:
    return [entry for entry in entries if entry.consumer == worker.name]


def replace_lease(worker: Consumer) -> Consumer:
    """The same worker, to whom every lease has run out."""
    return Consumer(worker._server, worker.function, lease_ms=0, name=worker.name)


def test_the_queue_does_what_its_model_does(url: str) -> None:
    class OnThisServer(Model):
        def __init__(self) -> None:
            super().__init__()
            self.server = Server(url, prefix=f"m{uuid.uuid4().hex[:8]}")

    run_state_machine_as_test(
        OnThisServer,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
