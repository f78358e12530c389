"""Which things are one thing where there are too many for the best assignment: good pairs, in bounded work and memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports import pairing
from exports.pairing import CROWDED, KINDS, Kind, paired

OBJECTS = next(k for k in KINDS if k.name == "objects")


class Work:
    """What SciPy was given to solve, and the most candidates that were held at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.solved, self.held = 0, 0
        for name in ("linear_sum_assignment", "min_weight_full_bipartite_matching"):
            monkeypatch.setattr(pairing, name, self._solver(getattr(pairing, name)))
        meeting = pairing.meeting

        def met(ours: Any, theirs: Any, near_ms: int) -> Any:
            found = meeting(ours, theirs, near_ms)
            self.held = max(self.held, len(found[0]))
            return found

        monkeypatch.setattr(pairing, "meeting", met)

    def _solver(self, solve: Any) -> Any:
        def counted(weights: Any, maximize: bool) -> Any:
            self.solved += weights.shape[0] * weights.shape[1]
            return solve(weights, maximize=maximize)

        return counted


def crowd(many: int, later_ms: int = 0, label: str = "person") -> list[dict[str, Any]]:
    """All there at one time; one begins and ends 500 ms after the other."""
    starts = [i * 500 + later_ms for i in range(many)]
    return [
        {"start_ms": s, "end_ms": s + 500 * many, "label": label, "score": 0.5 + i % 40 / 100}
        for i, s in enumerate(starts)
    ]


def test_a_crowd_is_paired_without_the_best_assignment(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch)
    many = int(CROWDED**0.5) + 100
    assert paired(OBJECTS, crowd(many), crowd(many, 40)) == [(i, i) for i in range(many)]
    assert work.solved == 0
    assert work.held <= CROWDED


def test_fewer_are_paired_the_best_way(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch)
    assert paired(OBJECTS, crowd(50), crowd(50, 40)) == [(i, i) for i in range(50)]
    assert work.solved == 50 * 50


lists = st.lists(
    st.builds(
        lambda s, n, label, score: {"start_ms": s, "end_ms": s + n, "label": label, "score": score},
        st.integers(0, 9000), st.integers(0, 4000), st.sampled_from(["cat", "dog"]), st.sampled_from([0.5, 0.9]),
    ),
    max_size=12,
)  # fmt: skip


@given(lists, lists, st.integers(1, 30))
def test_no_block_holds_more_and_none_is_left_that_could_be_a_pair(
    before: list[dict[str, Any]], after: list[dict[str, Any]], most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairing, "CROWDED", most)
        work = Work(patch)
        pairs = paired(OBJECTS, before, after)
    assert work.held <= max(most, len(after))
    mine, others = {i for i, _ in pairs}, {j for _, j in pairs}
    assert len(mine) == len(others) == len(pairs)
    left = [a for i, a in enumerate(before) if i not in mine]
    assert not any(near(a, b) for a in left for j, b in enumerate(after) if j not in others)


def near(a: dict[str, Any], b: dict[str, Any]) -> bool:
    apart = max(a["start_ms"], b["start_ms"]) - min(a["end_ms"], b["end_ms"])
    return bool(a["label"] == b["label"] and apart <= pairing.NEAR_MS)


@given(lists, lists)
def test_how_many_are_near_is_known_before_they_are_listed(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    if before and after:
        ours, theirs = pairing._stretched(OBJECTS, before, after)
        rows, _ = pairing.meeting(ours, theirs, pairing.NEAR_MS)
        counts = pairing._near_each(ours, theirs)
        assert counts.tolist() == np.bincount(rows, minlength=len(before)).tolist()


def test_crowds_of_texts_are_paired_by_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "CROWDED", 10)
    kind = Kind("texts", "ocr", text="text")
    said = ["harbour", "orchard", "mountain", "bridges", "quarter"]
    before, after = (
        [{"start_ms": 0, "end_ms": 5000, "text": t, "score": 0.9} for t in texts]
        for texts in (said, [f"{t[:-1]}?" for t in reversed(said)])
    )
    assert paired(kind, before, after) == [(i, 4 - i) for i in range(5)]
