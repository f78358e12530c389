"""Claims in Redis: one holder at a time across processes, waiters that nobody polls, and leases that are noticed when lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.servers.valkey import Valkey
from events.queue.claims import RedisClaims
from events.queue.consumer import Consumer, Parked
from events.queue.depth import depth
from events.queue.dispatch import Dispatcher
from events.queue.messages import Message
from events.queue.queue import Queue
from events.queue.server import Server
from kadr.storage.claims import Claims

Make = Callable[..., Message]


@pytest.fixture
def holder(server: Server) -> Iterator[RedisClaims]:
    with RedisClaims(server, "ocr", lease_ms=400) as claims:
        yield claims


@pytest.fixture
def other(server: Server) -> Iterator[RedisClaims]:
    with RedisClaims(server, "ocr", lease_ms=400) as claims:
        yield claims


def is_a_port(claims: Claims) -> Claims:
    return claims


def parked(server: Server, message: Message, key: str) -> Parked:
    Queue(server).ready(message)
    Dispatcher(server).dispatch("ocr", 10)
    consumer = Consumer(server, "ocr")
    (entry,) = consumer.take()
    return consumer.park(entry, key)


def test_one_holder_at_a_time(holder: RedisClaims, other: RedisClaims) -> None:
    assert is_a_port(holder) is holder
    claim = holder.take("k")
    assert claim is not None
    assert other.take("k") is None
    assert holder.take("k") is None, "not even in the same process"
    unrelated = other.take("l")
    assert unrelated is not None
    claim.release()
    again = other.take("k")
    assert again is not None
    claim.release()
    assert holder.take("k") is None, "a second release takes nothing from the next holder"
    again.release()


def test_a_claim_lasts_as_long_as_its_holder_lives(holder: RedisClaims, other: RedisClaims) -> None:
    claim = holder.take("k")
    assert claim is not None
    time.sleep(0.6)
    assert not claim.lost
    assert other.take("k") is None
    holder.close()
    time.sleep(0.42)
    assert claim.lost
    assert other.take("k") is not None


def test_a_holder_learns_that_another_has_its_claim(
    server: Server, holder: RedisClaims, other: RedisClaims
) -> None:
    claim = holder.take("k")
    assert claim is not None
    assert claim.held()
    server.client.delete(*server.client.keys(f"{server.names.prefix}:*"))
    thief = other.take("k")
    assert thief is not None
    assert not claim.held(), "the server is asked, not the clock"
    deadline = time.monotonic() + 5
    while not claim.lost and time.monotonic() < deadline:
        time.sleep(0.01)
    assert claim.lost
    claim.release()
    assert not thief.lost
    assert holder.take("k") is None


def test_who_meets_a_claim_waits_for_its_release(server: Server, holder: RedisClaims, message: Make) -> None:
    claim = holder.take("k")
    assert claim is not None
    assert not holder.awaited("k")
    sent = [message() for _ in range(3)]
    assert [parked(server, each, "k") for each in sent] == [Parked.PARKED] * 3
    said = depth(server, "ocr")
    assert (said.parked, said.depth, said.oldest_ms >= 0) == (3, 0, True)
    assert holder.awaited("k")
    assert not Queue(server).rearm(sent[0]), "it waits, and nothing of it was lost"
    assert Dispatcher(server).dispatch("ocr", 10).moved == 0
    claim.release()
    said = depth(server, "ocr")
    assert (said.parked, said.ready) == (0, 3)
    assert Dispatcher(server).dispatch("ocr", 10).moved == 3


def test_a_waiter_goes_on_when_the_holder_died(server: Server, holder: RedisClaims, message: Make) -> None:
    assert holder.take("k") is not None
    assert parked(server, message(), "k") is Parked.PARKED
    holder.close()
    said = Dispatcher(server).dispatch("ocr", 10)
    assert said.soon_ms is not None
    assert 0 < said.soon_ms <= 400
    time.sleep(0.42)
    said = Dispatcher(server).dispatch("ocr", 10)
    assert (said.woken, said.moved) == (1, 1)


def test_who_parks_too_late_is_in_line_again(server: Server, holder: RedisClaims, message: Make) -> None:
    claim = holder.take("k")
    assert claim is not None
    claim.release()
    assert parked(server, message(), "k") is Parked.READY
    assert depth(server, "ocr").ready == 1


def test_a_release_while_the_server_is_away_is_no_failure(tmp_path: Path) -> None:
    with Valkey(tmp_path) as valkey:
        server = Server(valkey.url)
        with RedisClaims(server, "ocr", lease_ms=300) as claims:
            claim = claims.take("k")
            assert claim is not None
            valkey.stop()
            time.sleep(0.35)
            assert claim.lost, "it could not be renewed for a whole lease"
            claim.release()
        server.close()
