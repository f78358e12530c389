"""What the queue computes without a server: delays, replicas, and what a message may be."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.queue.delays import LONGEST_ASKED_MS, LONGEST_MS, delay_ms
from events.queue.errors import InvalidMessage
from events.queue.messages import Message
from events.queue.names import Names
from events.queue.replicas import Rule, Scale, desired, step


@given(st.integers(0, 1000), st.none() | st.integers(0, 10**9), st.randoms(use_true_random=False))
def test_a_delay_is_bounded_and_never_earlier_than_asked(
    attempt: int, asked: int | None, chance: random.Random
) -> None:
    delay = delay_ms(attempt, asked, chance.random)
    least = min(asked or 0, LONGEST_ASKED_MS)
    assert least <= delay <= least + min(LONGEST_MS, 1000 * 2 ** min(attempt, 20))


def test_delays_grow_and_are_spread() -> None:
    chance = random.Random(1)
    means = [sum(delay_ms(n, None, chance.random) for _ in range(500)) / 500 for n in range(6)]
    assert all(1.7 < later / sooner < 2.3 for sooner, later in pairwise(means))
    assert len({delay_ms(0, 5000, chance.random) for _ in range(20)}) > 10


@pytest.mark.parametrize(
    ("in_stream", "replicas"), [(0, 0), (1, 1), (4, 1), (5, 2), (40, 10), (41, 10), (-1, 0)]
)
def test_replicas_follow_the_stream(in_stream: int, replicas: int) -> None:
    assert desired(in_stream, Rule(target=4, maximum=10)) == replicas


def test_replicas_go_up_at_once_and_down_after_the_cooldown() -> None:
    rule = Rule(target=1, maximum=5, cooldown_ms=1000)
    scale = step(Scale(), 3, rule, now_ms=0)
    assert scale.replicas == 3
    for now_ms, in_stream, replicas in [(500, 0, 3), (900, 3, 3), (1800, 1, 3), (1900, 1, 1), (2500, 5, 5)]:
        scale = step(scale, in_stream, rule, now_ms)
        assert scale.replicas == replicas, now_ms


@pytest.mark.parametrize(
    "wrong", [{"priority": 10}, {"priority": -1}, {"cost": float("nan")}, {"cost": -1.0}, {"owner": ""}]
)
def test_a_message_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    right = {"function": "ocr", "run_id": "r", "owner": "ada", "task": "ocr", "body": "{}"}
    with pytest.raises(InvalidMessage):
        Message(**{**right, **wrong})  # type: ignore[arg-type]


def test_a_prefix_cannot_move_keys_to_another_slot() -> None:
    with pytest.raises(ValueError, match="prefix"):
        Names("{all}")
