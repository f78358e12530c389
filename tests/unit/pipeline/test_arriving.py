"""Runs on their way: in order, one ahead, and trouble in making one ready reaches whoever takes it."""

from __future__ import annotations

import threading
import time

import pytest

from kadr.contracts.errors import Interrupted
from kadr.pipeline.arriving import Arriving

PATIENCE_S = 20.0


def test_in_order_and_what_turns_out_to_be_none_is_passed_over() -> None:
    arriving = Arriving(lambda i=i: i if i % 3 else None for i in range(8))  # type: ignore[misc]
    taken = []
    while not arriving.ended:
        taken.append(arriving.take(PATIENCE_S))
    assert taken == [1, 2, 4, 5, 7]
    assert arriving.take(PATIENCE_S) is None
    arriving.close()


def test_the_first_is_there_while_the_second_takes_its_time() -> None:
    begun, done = threading.Event(), threading.Event()
    made = []

    def slow() -> str:
        made.append("second")
        begun.set()
        assert done.wait(PATIENCE_S)
        return "second"

    def third() -> str:
        made.append("third")
        return "third"

    arriving = Arriving([lambda: "first", slow, third])
    assert arriving.take(PATIENCE_S) == "first"
    assert arriving.take() is None  # not there yet, and nobody waits for it
    assert not arriving.ended
    assert begun.wait(PATIENCE_S)
    assert made == ["second"]  # one ahead, not all of them
    done.set()
    assert arriving.take(PATIENCE_S) == "second"
    assert arriving.take(PATIENCE_S) == "third"
    arriving.close()


def test_trouble_reaches_who_takes() -> None:
    def stopped() -> str:
        raise Interrupted

    arriving = Arriving([stopped, lambda: "second"])
    with pytest.raises(Interrupted):
        arriving.take(PATIENCE_S)
    arriving.close()


def test_closing_waits_for_what_is_made_ready_now() -> None:
    ended = []

    def slow() -> str:
        time.sleep(0.2)
        ended.append("slow")
        return "slow"

    arriving = Arriving([slow, lambda: ended.append("never")])
    arriving.close()
    assert ended == ["slow"]
