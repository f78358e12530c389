"""Hints of many owners: nothing is lost or doubled, and nobody waits for another's thousand."""

from __future__ import annotations

import uuid
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from events.hints import Hint
from events.turns import Turns

RUN = str(uuid.UUID(int=1))


def hint(number: int, owner: str) -> Hint:
    if number % 5 == 4:
        return Hint(str(number), lost={"owner": owner})
    return Hint(str(number), (f"state/{owner}/{RUN}/request.json",))


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=30), max_size=4), st.integers(1, 12))
def test_every_hint_has_its_turn_once_and_owners_take_turns(batches: list[list[str]], count: int) -> None:
    turns, number, came, went = Turns(), 0, [], []
    for batch in batches:
        hints = [hint(number + i, owner) for i, owner in enumerate(batch)]
        number += len(batch)
        came += list(zip(hints, batch, strict=True))
        turns.add(hints)
        turns.add(hints[:3])  # a lease ran out
        went += turns.take(count)
    while taken := turns.take(count):
        went += taken
    assert len(turns) == 0
    assert Counter(h.id for h in went) == Counter(h.id for h, _ in came)
    owners = {h.id: owner for h, owner in came}
    for owner in "abcd":
        assert [h.id for h in went if owners[h.id] == owner] == [h.id for h, o in came if o == owner]


def test_the_small_owner_comes_after_one_of_the_big_owners_hints_and_not_after_all() -> None:
    turns = Turns()
    turns.add([hint(n, "big") for n in range(500)])
    turns.take(3)
    turns.add([hint(1000 + n, "small") for n in range(3)])
    assert [h.id for h in turns.take(6) if int(h.id) >= 1000] == ["1000", "1001", "1002"]
