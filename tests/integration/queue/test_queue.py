"""The queue on a real server: what is put in comes out once, in a fair order, and stays until somebody finished it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict

import pytest

from events.queue.consumer import Consumer
from events.queue.deadletters import DeadLetters
from events.queue.depth import depth
from events.queue.dispatch import Dispatcher, Rate
from events.queue.messages import Failure, Message
from events.queue.names import GROUP
from events.queue.queue import Queue
from events.queue.server import Server

Make = Callable[..., Message]
PLENTY = 1000


def now_in_stream(server: Server, capacity: int = PLENTY) -> int:
    return Dispatcher(server).dispatch("ocr", capacity).moved


def drained(server: Server, capacity: int = 1) -> list[Message]:
    """All messages in the order in which one worker gets them."""
    consumer = Consumer(server, "ocr")
    got: list[Message] = []
    while now_in_stream(server, capacity) or depth(server, "ocr").lag:
        entries = consumer.take(2 * capacity)
        assert consumer.finish(entries) == []
        got += [entry.message for entry in entries]
    return got


def test_a_message_comes_out_as_it_went_in(server: Server, message: Make) -> None:
    sent = message(body='{"é":[],"n":{}}', cost=0.1, priority=7, epoch=3, trace="00-ab-cd-01")
    assert Queue(server).ready(sent)
    assert drained(server) == [sent]


def test_a_task_is_enqueued_once_even_after_it_was_finished(server: Server, message: Make) -> None:
    queue, sent = Queue(server), message()
    assert queue.ready_all([sent, sent, message(), sent]) == [True, False, True, False]
    assert len(drained(server)) == 2
    assert not queue.ready(sent)
    assert drained(server) == []


def test_other_keys_and_epochs_of_a_task_are_other_tasks(server: Server, message: Make) -> None:
    queue = Queue(server)
    assert queue.ready_all([message(run_id="r", key=k, epoch=e) for k in "ab" for e in (1, 2)]) == [True] * 4


def test_what_is_anywhere_in_the_queue_is_known_to_it(server: Server, message: Make) -> None:
    queue, consumer = Queue(server), Consumer(server, "ocr")
    sent, never = message(key="a"), message(key="b")
    assert queue.unknown([sent, never]) == [sent, never]
    queue.ready(sent)
    assert queue.unknown([sent, never]) == [never], "in line"
    now_in_stream(server)
    (entry,) = consumer.take()
    assert queue.unknown([sent]) == [], "being worked on"
    consumer.retry_later(entry, 60_000)
    assert queue.unknown([sent]) == [], "delayed"
    server.client.delete(*server.client.keys(f"{server.names.prefix}:*"))
    assert queue.unknown([sent, never]) == [sent, never]


def test_only_what_the_queue_lost_is_rearmed(server: Server, message: Make) -> None:
    queue, consumer, sent = Queue(server), Consumer(server, "ocr"), message()
    queue.ready(sent)
    assert not queue.rearm(sent), "in line"
    now_in_stream(server)
    assert not queue.rearm(sent), "in the stream"
    (entry,) = consumer.take()
    assert not queue.rearm(sent), "being worked on"
    consumer.retry_later(entry, 60_000)
    assert not queue.rearm(sent), "delayed"
    server.client.delete(server.names.function("ocr") + ":delayed")
    assert queue.rearm(sent), "nowhere"
    now_in_stream(server)
    server.client.delete(server.names.stream("ocr"))
    assert queue.rearm(sent), "its stream is gone"
    assert drained(server) == [sent]
    assert queue.rearm(sent), "finished, and its record was lost"


def test_a_stream_never_holds_more_than_twice_the_capacity(server: Server, message: Make) -> None:
    Queue(server).ready_all([message() for _ in range(50)])
    assert now_in_stream(server, capacity=3) == 6
    assert now_in_stream(server, capacity=3) == 0
    consumer = Consumer(server, "ocr")
    entries = consumer.take(4)
    assert now_in_stream(server, capacity=3) == 0, "what is taken and unfinished counts"
    consumer.finish(entries)
    assert now_in_stream(server, capacity=3) == 4


def test_our_lag_is_the_servers_lag_in_whatever_order_entries_are_finished(
    server: Server, message: Make
) -> None:
    """Who scales by the server's own figure must never be told null: a scaler may read it as none."""
    Queue(server).ready_all([message() for _ in range(40)])
    consumer, held, chance = Consumer(server, "ocr"), [], random.Random(5)
    for _ in range(60):
        now_in_stream(server, capacity=5)
        held += consumer.take(chance.randrange(4))
        chance.shuffle(held)
        done = chance.randrange(len(held) + 1)
        assert consumer.finish(held[:done]) == []
        held = held[done:]
        (group,) = server.client.xinfo_groups(server.names.stream("ocr"))
        said = depth(server, "ocr")
        assert (said.lag, said.pending) == (group["lag"], group["pending"])
        assert said.pending == len(held)
    consumer.finish(held)
    assert server.client.xlen(server.names.stream("ocr")) == depth(server, "ocr").lag == 0


def test_a_short_video_is_not_delayed_by_ten_hours_of_anothers(server: Server, message: Make) -> None:
    queue = Queue(server)
    queue.ready_all([message(owner="hog", cost=600) for _ in range(60)])
    now_in_stream(server, capacity=1)
    queue.ready(message(owner="ada", cost=60))
    order = [m.owner for m in drained(server)]
    assert order.index("ada") <= 2, "after what was in the stream already"


def test_owners_share_by_work_not_by_number(
    server: Server, message: Make, tell: Callable[[str], None]
) -> None:
    """Ten owners, one with a hundred times the work: how much of it is done before the others are."""
    queue, others = Queue(server), [f"o{n}" for n in range(9)]
    queue.ready_all([message(owner="hog", cost=10) for _ in range(200)])
    queue.ready_all([message(owner=owner, cost=2) for owner in others for _ in range(10)])
    order = drained(server, capacity=2)
    done: Counter[str] = Counter()
    last = max(i for i, m in enumerate(order) if m.owner != "hog")
    for m in order[: last + 1]:
        done[m.owner] += int(m.cost)
    assert {done[owner] for owner in others} == {20}
    assert done["hog"] <= 20 + 10 * 4 + 10
    tell(
        f"10 owners, one with 100 × the work: the others' 20 s each were done after {done['hog']} s of the hog's 2000 s"
    )


def test_who_comes_back_has_no_credit_saved_up(server: Server, message: Make) -> None:
    queue = Queue(server)
    queue.ready_all([message(owner="idle")])
    queue.ready_all([message(owner="busy") for _ in range(60)])
    first = [m.owner for m in _some(server, 30)]
    assert first.count("idle") == 1
    queue.ready_all([message(owner="idle") for _ in range(10)])
    assert [m.owner for m in _some(server, 12)].count("idle") in (5, 6, 7), (
        "half of it, not all that was missed"
    )


def _some(server: Server, count: int) -> list[Message]:
    """The next messages, finished; the stream is kept short."""
    consumer = Consumer(server, "ocr")
    got: list[Message] = []
    while len(got) < count:
        now_in_stream(server, capacity=1)
        entries = consumer.take(1)
        consumer.finish(entries)
        got += [entry.message for entry in entries]
    return got


def test_priorities_go_above_fairness_and_lines_stay_in_order(server: Server, message: Make) -> None:
    queue = Queue(server)
    queue.ready_all([message(f"t{n}", owner=f"o{n % 2}", priority=n % 3) for n in range(12)])
    order = drained(server)
    assert [m.priority for m in order] == [2] * 4 + [1] * 4 + [0] * 4
    for owner in ("o0", "o1"):
        for priority in range(3):
            tasks = [int(m.task[1:]) for m in order if (m.owner, m.priority) == (owner, priority)]
            assert tasks == sorted(tasks)


def test_a_rate_limit_holds_for_all_dispatchers_together(server: Server, message: Make) -> None:
    Queue(server).ready_all([message() for _ in range(100)])
    two = [Dispatcher(server, {"ocr": Rate(per_s=50, burst=5)}) for _ in range(2)]
    began, moved = time.monotonic(), 0
    while time.monotonic() - began < 0.5:
        said = [each.dispatch("ocr", PLENTY) for each in two]
        moved += sum(each.moved for each in said)
        assert said[-1].soon_ms is not None
        assert said[-1].soon_ms <= 20
        time.sleep(0.005)
    elapsed = time.monotonic() - began
    assert 5 + 0.3 * 50 * elapsed <= moved <= 5 + 50 * elapsed + 1


def test_what_is_put_off_comes_back_when_it_is_due(server: Server, message: Make) -> None:
    Queue(server).ready(message())
    now_in_stream(server)
    consumer = Consumer(server, "ocr")
    (entry,) = consumer.take()
    assert consumer.retry_later(entry, 400, Failure("StoreFailure", "slow"))
    said = Dispatcher(server).dispatch("ocr", 1)
    assert (said.moved, depth(server, "ocr").delayed) == (0, 1)
    assert said.soon_ms is not None
    assert 0 < said.soon_ms <= 400
    time.sleep(0.42)
    assert depth(server, "ocr").due == 1
    assert now_in_stream(server) == 1
    (again,) = consumer.take()
    assert again.message.attempt == 1
    assert consumer.put_back([again]) == []
    now_in_stream(server)
    assert consumer.take()[0].message.attempt == 1, "what was put back was no attempt"


def test_a_paused_function_takes_nothing_and_says_why(server: Server, message: Make) -> None:
    queue, consumer = Queue(server), Consumer(server, "ocr")
    queue.ready_all([message(), message()])
    now_in_stream(server, capacity=1)
    queue.pause("ocr", "HTTP 401 from the function")
    assert consumer.take(5) == []
    assert now_in_stream(server) == 0
    assert depth(server, "ocr").paused == "HTTP 401 from the function"
    queue.resume("ocr")
    assert depth(server, "ocr").paused is None
    assert len(consumer.take(5)) == 2


def test_a_pause_while_a_worker_waits_leaves_the_task_in_line(server: Server, message: Make) -> None:
    queue, consumer = Queue(server), Consumer(server, "ocr")
    queue.ready(message())
    now_in_stream(server)
    read = consumer._blocked(1, 50)
    queue.pause("ocr", "HTTP 403")
    assert consumer._accept(read) == []
    assert (depth(server, "ocr").ready, depth(server, "ocr").pending) == (1, 0)


def test_tasks_of_a_cancelled_run_are_dropped_wherever_they_are(server: Server, message: Make) -> None:
    queue, consumer = Queue(server), Consumer(server, "ocr")
    sent = [message(f"t{n}", run_id="gone") for n in range(4)] + [message(run_id="stays")]
    queue.ready_all(sent)
    now_in_stream(server, capacity=1)
    (held,) = consumer.take()
    queue.cancel(["ocr", "speech"], "gone", 1)
    beat = consumer.heartbeat([held])
    assert (beat.refused, beat.cancelled) == ((), (held,))
    assert consumer.take(5) == []
    assert consumer.finish([held]) == []
    assert [m.run_id for m in drained(server)] == ["stays"]
    assert depth(server, "ocr").cancelled == 3
    assert queue.ready(message("t0", run_id="gone", epoch=2)), "a retry is another epoch"
    assert len(drained(server)) == 1


def test_a_thief_can_do_nothing_to_what_is_anothers(server: Server, message: Make) -> None:
    Queue(server).ready(message())
    now_in_stream(server)
    first, second = (Consumer(server, "ocr", lease_ms=40) for _ in range(2))
    (lost,) = first.take()
    assert first.heartbeat([lost]).refused == ()
    time.sleep(0.06)
    (entry,) = second.take()
    assert entry.taken_over
    assert entry.message.attempt == 1
    assert first.heartbeat([lost]).refused == (lost,)
    assert first.finish([lost]) == [lost]
    assert not first.retry_later(lost, 0)
    assert not first.give_up(lost, Failure("E"))
    assert first.park(lost, "k").name == "REFUSED"
    assert second.heartbeat([entry]).refused == ()
    assert second.finish([entry]) == []
    assert second.finish([entry]) == [entry]
    assert depth(server, "ocr").finished == 1


def test_a_consumer_that_gets_its_own_lost_entry_again_holds_the_new_delivery_only(
    server: Server, message: Make
) -> None:
    Queue(server).ready(message())
    now_in_stream(server)
    consumer = Consumer(server, "ocr", lease_ms=30)
    (old,) = consumer.take()
    time.sleep(0.05)
    (new,) = consumer.take()
    assert consumer.finish([old]) == [old]
    assert consumer.finish([new]) == []


def test_heartbeats_keep_an_entry(server: Server, message: Make) -> None:
    Queue(server).ready(message())
    now_in_stream(server)
    one, other = (Consumer(server, "ocr", lease_ms=500) for _ in range(2))
    entries = one.take()
    for _ in range(6):
        time.sleep(0.1)
        assert one.heartbeat(entries).refused == ()
        assert other.take() == []
    assert depth(server, "ocr", lease_ms=500).in_flight == 1
    assert depth(server, "ocr", lease_ms=0).in_flight == 0


def test_dead_letters_tell_all_and_can_be_replayed(server: Server, message: Make) -> None:
    queue, letters, consumer = Queue(server), DeadLetters(server), Consumer(server, "ocr")
    sent = message(trace="00-ab-cd-01")
    queue.ready(sent)
    for why in ("first", "second", "third"):
        now_in_stream(server)
        (entry,) = consumer.take()
        if why != "third":
            consumer.retry_later(entry, 0, Failure("ModelFailure", why))
    assert consumer.give_up(entry, Failure("ModelFailure", "third: " + "x" * 9000))
    (letter,) = letters.list("ocr")
    assert letter == letters.show("ocr", sent.id)
    assert (letter.message.body, letter.message.trace, letter.message.attempt) == (sent.body, sent.trace, 3)
    assert [(a.attempt, a.failure.text[:6]) for a in letter.history] == [
        (0, "first"),
        (1, "second"),
        (2, "third:"),
    ]
    assert len(letter.failure.text) == 4000
    assert letter.ready_ms <= letter.history[0].at_ms <= letter.died_ms
    assert depth(server, "ocr").depth == 0
    assert depth(server, "ocr").dead == 1
    assert letters.replay("ocr", [letter.id, "no such"]) == 1
    assert (letters.list("ocr"), letters.show("ocr", letter.id)) == ([], None)
    time.sleep(0.003)
    assert 0 < depth(server, "ocr").oldest_ms < 10_000, "its age counts from the replay"
    assert drained(server) == [sent]


def test_of_too_many_dead_letters_the_oldest_are_dropped_and_counted(server: Server, message: Make) -> None:
    letters, consumer = DeadLetters(server), Consumer(server, "ocr")
    sent = [message(f"t{n}") for n in range(5)]
    for each in sent:
        Queue(server).ready(each)
        now_in_stream(server)
        consumer.give_up(consumer.take()[0], Failure("E"), kept=3)
        time.sleep(0.002)
    assert [letter.message.task for letter in letters.list("ocr")] == ["t4", "t3", "t2"]
    assert [letter.message.task for letter in letters.list("ocr", offset=1, count=1)] == ["t3"]
    assert letters.drop("ocr", [sent[4].id, sent[0].id]) == 1
    said = depth(server, "ocr")
    assert (said.dead, said.letters_dropped, said.given_up) == (2, 3, 5)


def test_a_flushed_queue_goes_on(server: Server, message: Make) -> None:
    queue, consumer = Queue(server), Consumer(server, "ocr")
    queue.ready_all([message() for _ in range(4)])
    now_in_stream(server, capacity=1)
    entries = consumer.take()
    _flush(server)
    assert consumer.heartbeat(entries).refused == tuple(entries)
    assert consumer.finish(entries) == entries
    assert not any(asdict(depth(server, "ocr")).values())
    assert queue.rearm(entries[0].message)
    assert len(drained(server)) == 1


@pytest.mark.parametrize("what", ["group", "stream"])
def test_a_group_that_vanished_is_made_again(server: Server, message: Make, what: str) -> None:
    queue, consumer = Queue(server), Consumer(server, "ocr")
    queue.ready_all([message(), message()])
    now_in_stream(server)
    held = consumer.take()
    stream = server.names.stream("ocr")
    if what == "group":
        server.client.xgroup_destroy(stream, GROUP)
        assert len(consumer.take(5)) == 2, "all of it is delivered again"
    else:
        server.client.delete(stream)
        assert consumer.finish(held) == held
        assert consumer.take(1, block_ms=20) == []
        assert queue.rearm(held[0].message)
        assert len(drained(server)) == 1


def _flush(server: Server) -> None:
    """Empty the database as far as this test's prefix goes; other tests use it as well."""
    server.client.delete(*server.client.keys(f"{server.names.prefix}:*"))


def test_what_was_finished_does_not_come_back_with_a_new_group(server: Server, message: Make) -> None:
    Queue(server).ready_all([message("slow"), message("fast")])
    now_in_stream(server)
    consumer = Consumer(server, "ocr")
    _, fast = consumer.take(2)
    assert consumer.finish([fast]) == []
    server.client.xgroup_destroy(server.names.stream("ocr"), GROUP)
    assert [entry.message.task for entry in consumer.take(5)] == ["slow"]


def test_a_worker_that_waits_is_woken_by_a_task(server: Server, message: Make) -> None:
    queue, dispatcher = Queue(server), Dispatcher(server)
    assert dispatcher.wait(["speech", "ocr"], 20) is None
    queue.ready(message())
    assert dispatcher.wait(["speech", "ocr"], 1000) == "ocr"
    now_in_stream(server)
    assert dispatcher.wait(["speech", "ocr"], 20) is None
    assert len(Consumer(server, "ocr").take(1, block_ms=1000)) == 1


def test_consumers_that_left_are_forgotten_and_others_are_not(server: Server, message: Make) -> None:
    Queue(server).ready(message())
    now_in_stream(server)
    idle, holding = Consumer(server, "ocr"), Consumer(server, "ocr")
    assert idle.name != holding.name
    (entry,) = holding.take()
    assert idle.take() == []
    assert idle.leave()
    assert not holding.leave()
    assert holding.finish([entry]) == []
