"""What a run could not look for, or not there, is not lost: it is not compared, and that is said."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.diff import _not_compared
from exports.diff_page import Side, page
from exports.differences import Differences, differences
from exports.looked import PARTS, TOUCHING_MS

GAP = (60_000, 80_000)
SIDE = Side("run", "v.mp4", "standard", "today")


def thing(start: int, end: int, label: str = "cat", score: float = 0.9, **rest: Any) -> dict[str, Any]:
    return {"start_ms": start, "end_ms": end, "label": label, "score": score, **rest}


def run(state: str = "succeeded", *gaps: tuple[int, int], **found: Any) -> dict[str, Any]:
    """Of all components in one ``state``."""
    components = sorted(set(PARTS.values()))
    why = {"partial": "gaps", "absent": "cancelled"}.get(state)
    missing = [{"components": [c], "why": why, "gaps": [*gaps]} for c in components if why]
    told = [{"name": name, "state": state} for name in components]
    return {"run": {"components": told}, "missing": missing, "video": {"duration_ms": 120_000}, **found}


def kind(found: Differences, name: str) -> Any:
    return next(k for k in found.kinds if k.kind == name)


def unsure(found: Differences, name: str) -> Any:
    return next(n for n in found.not_compared if n.kind == name)


def test_what_lies_in_a_gap_is_not_lost_and_the_rest_is_compared() -> None:
    before = run(
        objects=[
            thing(1000, 5000),
            thing(10_000, 70_000),  # cut off by the gap
            thing(20_000, 30_000, "dog"),  # lost indeed
            thing(62_000, 63_000),
            thing(65_000, 65_500, "bird"),
            thing(78_000, 90_000),
        ]
    )
    after = run(
        "partial", GAP, objects=[thing(1000, 5000), thing(10_000, 59_600), thing(80_000, 90_000), thing(99_000, 99_500)]
    )  # fmt: skip
    found = differences(before, after)
    objects = kind(found, "objects")
    assert (objects.same, objects.left_out, objects.moved, objects.changed) == (1, 4, (), ())
    assert [t["label"] for t in objects.lost] == ["dog"]
    assert [t["start_ms"] for t in objects.added] == [99_000]
    assert objects.marks == (
        ("same", "open", "lost", "open", "open", "open"),
        ("same", "open", "open", "added"),
    )
    told = unsure(found, "objects")
    assert (told.run, told.state, told.found, told.gaps) == ("after", "partial", 4, (GAP,))
    (line,) = _not_compared(found)
    assert line.startswith("not compared, because 20 s of it failed after: words, ")
    assert ", objects (4 left out), " in line
    made = page(found, SIDE, SIDE, (before, after), [])
    assert "because 20 s of it failed after: 1:00.0–1:20.0" in made
    assert "4 left out" in made
    assert made.count('<i class="open"') == 6


def test_gaps_of_both_count_once_where_they_meet() -> None:
    one, two = run("partial", (0, 10_000), (50_000, 60_000)), run("partial", (5000, 20_000))
    found = differences({**one, "faces": [thing(12_000, 15_000)]}, {**two, "faces": [thing(3000, 5000)]})
    told = unsure(found, "faces")
    assert (told.run, told.found, told.gaps) == ("both", 2, ((0, 20_000), (50_000, 60_000)))
    assert told.why == "because 30 s of it failed in one or the other"
    assert not found.any


things = st.lists(
    st.builds(
        lambda start, length, label, score: thing(start, start + length, label, score),
        st.integers(0, 120_000), st.integers(40, 30_000), st.sampled_from(["cat", "dog"]), st.sampled_from([0.5, 0.9]),
    ),
    max_size=12,
)  # fmt: skip


@given(things, st.integers(0, 2**32))
def test_a_run_differs_in_nothing_from_the_same_one_with_a_gap(
    found: list[dict[str, Any]], seed: int
) -> None:
    """What the gap holds is not there; what reaches into it ends up to a sample before it; nothing else is otherwise."""
    short = random.Random(seed).randint(0, TOUCHING_MS)
    left = []
    for t in found:
        pieces = [
            (t["start_ms"], min(t["end_ms"], GAP[0] - short)),
            (max(t["start_ms"], GAP[1] + short), t["end_ms"]),
        ]
        clear = t["end_ms"] < GAP[0] - TOUCHING_MS or t["start_ms"] > GAP[1] + TOUCHING_MS
        pieces = [(t["start_ms"], t["end_ms"])] if clear else [(s, e) for s, e in pieces if s < e]
        left += [{**t, "start_ms": s, "end_ms": e} for s, e in pieces]
    whole, partly = run(objects=found), run("partial", GAP, objects=left)
    for one, two in ((whole, partly), (partly, whole)):
        objects = kind(differences(one, two), "objects")
        assert not objects.any
        assert objects.same + objects.left_out >= len(found)


def test_a_tag_that_is_there_again_in_the_gap_is_not_said_to_have_changed() -> None:
    spans = [[1000, 5000], [65_000, 70_000]]
    before = run(tags=[thing(1000, 70_000, spans=spans)])
    after = run("partial", GAP, tags=[thing(1000, 5000, spans=spans[:1])])
    found = differences(before, after)
    assert not found.any
    assert unsure(found, "tags").found == 1


def transcript(words: list[str], step: int = 2000) -> list[dict[str, Any]]:
    return [
        {
            "words": [
                {"start_ms": i * step, "end_ms": i * step + 300, "text": w, "space": i > 0}
                for i, w in enumerate(words)
                if w
            ]
        }
    ]


@pytest.mark.parametrize(
    ("before", "after", "changes", "left_out"),
    [
        ("a b c d e f g h i j", "a b c d e f - - i j", [], 2),
        (
            "a b c d e f g h o j",
            "a b c d e f - - i j",
            [],
            4,
        ),  # at the border it may have been heard otherwise
        ("a b c d e f g h i j", "a x c d e f - - i j z", [("b", "x"), ("", "z")], 2),
        ("c d a b c d a b i j", "c d a b c - - - i j", [], 3),  # those in the gap are no others' equals
    ],
)
def test_words_in_a_gap_are_not_lost(
    before: str, after: str, changes: list[tuple[str, str]], left_out: int
) -> None:
    """One word every 2 s; the gap has the seventh and eighth, and of the last case the sixth."""
    one = run(transcript=transcript(before.split()))
    gap = (10_000 if before.startswith("c") else 12_000, 16_000)
    two = run("partial", gap, transcript=transcript([w.strip("-") for w in after.split()]))
    for forth in (True, False):
        found = differences(*((one, two) if forth else (two, one)))
        told = [(c.before, c.after) if forth else (c.after, c.before) for c in found.words.changes]
        assert told == changes
        assert unsure(found, "words").found == found.words.left_out == left_out
        said = found.words
        assert said.before - said.same == sum(bool(a if forth else b) for a, b in changes)
        assert said.moved == 0


def test_values_of_the_whole_are_not_compared_where_a_part_failed() -> None:
    before = run(loudness={"integrated_lufs": -18.0}, moderation={"peaks": [{"label": "Sexy", "score": 0.9}]})
    after = run("partial", GAP, loudness={"integrated_lufs": -25.0}, moderation={"peaks": []})
    found = differences(before, after)
    assert not found.any
    assert {"loudness", "moderation"} <= {n.kind for n in found.not_compared}


def test_what_a_cancelled_run_had_not_begun_is_not_lost() -> None:
    cat = thing(0, 1000)
    found = differences(run(objects=[cat]), run("absent", objects=[]))
    assert not found.any
    assert "not compared, because it was cancelled after: " in next(iter(_not_compared(found)))


def test_a_part_that_failed_without_saying_where_leaves_the_kind_out() -> None:
    after = {**run("partial", GAP, objects=[]), "missing": []}
    found = differences(run(objects=[thing(0, 1000)]), after)
    assert not found.any
    told = unsure(found, "objects")
    assert (told.why, told.left_out) == ("because parts of it failed after", "1 before")


def test_the_page_says_so_where_nothing_else_differs() -> None:
    before, after = run(shots=[thing(0, 70_000, kind="start")]), run("partial", GAP, shots=[])
    made = page(differences(before, after), SIDE, replace(SIDE, status="partial"), (before, after), [])
    assert "nothing differs" in made
    assert "1 left out" in made
    assert differences(copy.deepcopy(after), after).any is False


@pytest.mark.parametrize(
    ("before", "after", "compared"),
    [
        (("ocr",), ("speech",), ()),
        (("ocr", "speech"), ("speech",), ("words",)),
        (("ocr:failed", "speech"), ("ocr", "speech:absent"), ("words",)),
        (("ocr:partial",), ("ocr",), ("texts",)),
        (("ocr:blocked",), ("ocr:blocked",), ()),
    ],
)
def test_what_both_looked_for_is_what_was_compared(
    before: tuple[str, ...], after: tuple[str, ...], compared: tuple[str, ...]
) -> None:
    runs = []
    for asked in (before, after):
        states = [name.partition(":")[::2] for name in asked]
        gaps = [{"components": [n], "why": "gaps", "gaps": [GAP]} for n, s in states if s == "partial"]
        told = [{"name": name, "state": state or "succeeded"} for name, state in states]
        runs.append({"run": {"components": told}, "missing": gaps})
    found = differences(*runs)
    assert found.compared == compared
    assert found.nothing == (not compared)
