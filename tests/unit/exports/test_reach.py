"""What lies beyond where both runs looked is neither lost nor added."""

from __future__ import annotations

from typing import Any

import pytest

from exports.diff_page import Side, compared_part, page
from exports.differences import differences
from exports.reach import stretch

SIDE = Side("run", "v.mp4", "standard", "today")


def run(start: int = 0, end: int = 10_000, length: int = 10_000, **found: Any) -> dict[str, Any]:
    whole = (start, end) == (0, length)
    return {"asked": {"start_ms": start, "end_ms": end, "whole": whole}, "video": {"duration_ms": length}, **found}  # fmt: skip


def damaged(kind: str, length: int, **more: Any) -> dict[str, Any]:
    made = run(0, length, length)
    made["video"]["damage"] = [{"kind": kind, "found_ms": length, "unread_bytes": None, **more}]
    return made


def shot(start: int, end: int, kind: str = "cut") -> dict[str, Any]:
    return {"start_ms": start, "end_ms": end, "kind": kind}


def words(first: int, last: int) -> list[dict[str, Any]]:
    """A word each half second, at its beginning."""
    said = [
        {"start_ms": i * 500, "end_ms": i * 500 + 300, "text": f"w{i}", "space": True}
        for i in range(first, last)
    ]
    return [{"words": said}]


WHOLE = run(
    shots=[shot(0, 1500, "start"), shot(1500, 3900), shot(3900, 4100), shot(4100, 7000), shot(7000, 10_000)],
    transcript=words(0, 20), loudness={"integrated_lufs": -18.0}, language={"language": "en"},
)  # fmt: skip
PART = run(
    2000, 6000, shots=[shot(2000, 3900, "start"), shot(3900, 4100), shot(4100, 6000)],
    transcript=words(4, 12), loudness={"integrated_lufs": -25.0}, language={"language": None},
)  # fmt: skip


@pytest.mark.parametrize("forth", [True, False])
def test_the_whole_and_a_part_of_it_differ_in_nothing(forth: bool) -> None:
    both = (WHOLE, PART) if forth else (PART, WHOLE)
    found = differences(*both)
    assert not found.any
    assert (found.words.same, found.words.left_out) == (8, 12)
    said = "compared 0:02.0–0:06.0 of 0:10.0; left out: 12 words, 4 shots, loudness"
    assert found.stretch is not None
    assert compared_part(found.stretch) == said
    assert said in page(found, SIDE, SIDE, both, [])


def test_what_differs_where_both_looked_is_told() -> None:
    other = {**PART, "shots": [shot(2000, 3900, "start"), shot(3900, 4300), shot(4300, 6000)]}
    other["transcript"] = [{"words": [w for w in PART["transcript"][0]["words"] if w["text"] != "w8"]}]
    found = differences(WHOLE, other)
    assert [(c.before, c.after) for c in found.words.changes] == [("w8", "")]
    (shots,) = [k for k in found.kinds if k.kind == "shots"]
    assert [p.moved_ms for p in shots.moved] == [200]


def test_what_failed_in_between_is_left_out_for_that_and_not_for_the_part() -> None:
    components = [{"name": "objects", "state": "partial"}]
    gap = [{"components": ["objects"], "why": "gaps", "gaps": [(4000, 4050)]}]
    cat, dog = {**shot(7500, 8000), "label": "cat"}, {**shot(4000, 4040), "label": "dog"}
    told = {"run": {"components": components}, "missing": gap}
    found = differences({**run(), **told, "objects": [cat]}, {**run(2000, 6000), **told, "objects": [dog]})
    assert not found.any
    assert {n.kind: n.found for n in found.not_compared} == {"objects": 1}
    assert found.stretch is not None
    assert found.stretch.left_out == {"objects": 1}


@pytest.mark.parametrize(
    ("before", "after", "gaps"),
    [
        (run(), run(), ()),
        (run(2000, 6000), run(2000, 6000), ()),
        (run(), run(2000, 10_000), ((0, 2000),)),
        (run(0, 2000), run(4000, 6000), ((0, 6000),)),
        (run(), run(0, 50_000, 100_000), ()),  # nothing of the first lies beyond
        (run(), damaged("cut_off", 7600, expected_ms=10_000), ((7600, 10_000),)),
        (run(0, 15_000, 15_000), damaged("joined", 10_000, unread_bytes=9), ((10_000, 15_000),)),
        (run(0, 15_000, 15_000), damaged("joined", 10_000), ()),  # two videos of different lengths
        (damaged("cut_off", 7600), damaged("cut_off", 7600), ()),
        (run(), run(2000, 0, 0), ()),  # of one that could not be read
    ],
)
def test_where_only_one_looked(before: Any, after: Any, gaps: tuple[tuple[int, int], ...]) -> None:
    for one, two in ((before, after), (after, before)):
        found = stretch(one, two)
        assert (found.gaps if found else ()) == gaps


def test_runs_that_looked_at_different_parts_are_compared_in_nothing() -> None:
    found = differences(run(0, 2000, shots=[shot(0, 2000)]), run(4000, 6000, shots=[shot(4000, 6000)]))
    assert not found.any
    assert found.nothing
    assert found.stretch is not None
    assert compared_part(found.stretch).startswith("nothing is compared: no moment was looked at by both")
