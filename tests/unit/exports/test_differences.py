"""What differs between two runs' insights: nothing between equals, and every change under its right name."""

from __future__ import annotations

import copy
import random
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.diff_page import Side, clock, page, rows
from exports.differences import Differences, differences

LABELS = ["cat", "dog", "bird"]


def thing(start: int, length: int, **rest: Any) -> dict[str, Any]:
    return {"start_ms": start, "end_ms": start + length, **rest}


spans = st.tuples(st.integers(0, 60_000), st.integers(40, 5_000))
scored = st.floats(0, 1).map(lambda x: round(x, 4))
objects = st.lists(
    st.builds(
        lambda s, label, score: thing(*s, label=label, score=score), spans, st.sampled_from(LABELS), scored
    ),
    max_size=8,
)
texts = st.lists(
    st.builds(
        lambda s, text, score: thing(*s, text=text, score=score),
        spans,
        st.text(min_size=1, max_size=12),
        scored,
    ),
    max_size=8,
)
turns = st.lists(
    st.builds(
        lambda s, who, score: thing(*s, speaker=who, score=score),
        spans,
        st.sampled_from(["S1", "S2"]),
        scored,
    ),
    max_size=6,
)
said = st.lists(
    st.sampled_from(["it", "was", "the", "best", "of", "times", "worst", "Age,", "age."]), max_size=20
)


def transcript(words: list[str]) -> list[dict[str, Any]]:
    made = [thing(i * 400, 300, text=w, space=i > 0, score=1.0) for i, w in enumerate(words)]
    return [{"words": made}] if made else []


insights = st.builds(
    lambda o, t, s, w: {"status": "complete", "objects": o, "texts": t, "turns": s, "transcript": transcript(w)},
    objects, texts, turns, said,
)  # fmt: skip


def kind(found: Differences, name: str) -> Any:
    return next(k for k in found.kinds if k.kind == name)


@given(insights, st.integers(0, 2**32))
def test_a_run_does_not_differ_from_itself_in_whatever_order(run: dict[str, Any], seed: int) -> None:
    again = copy.deepcopy(run)
    for name in ("objects", "texts", "turns"):
        random.Random(seed).shuffle(again[name])
    found = differences(run, again)
    assert not found.any, found


@given(insights, insights)
def test_everything_is_counted_once_and_turning_round_turns_added_and_lost(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    forth, back = differences(one, two), differences(two, one)
    for name in ("objects", "texts", "turns"):
        there, here = kind(forth, name), kind(back, name)
        paired = there.same + sum(not p.changed for p in there.moved) + len(there.changed)
        assert paired + len(there.lost) == len(one[name])
        assert paired + len(there.added) == len(two[name])
        assert (len(there.lost), len(there.added)) == (len(here.added), len(here.lost))
    assert forth.words.same <= min(forth.words.before, forth.words.after)


def test_each_change_has_its_name() -> None:
    before = {
        "objects": [
            thing(0, 1000, label="cat", score=0.9),
            thing(5000, 1000, label="dog", score=0.9),
            thing(9000, 1000, label="bird", score=0.5),
            thing(20_000, 1000, label="bird", score=0.5),
        ]
    }
    after = {
        "objects": [
            thing(200, 1000, label="cat", score=0.9),
            thing(5000, 1000, label="cat", score=0.9),
            thing(9000, 1000, label="bird", score=0.7),
            thing(22_500, 1000, label="bird", score=0.5),
        ]
    }
    found = kind(differences(before, after), "objects")
    assert [(p.before["label"], p.moved_ms) for p in found.moved] == [("cat", 200)]
    assert [t["label"] for t in found.lost] == [
        "dog",
        "bird",
    ]  # another label is another thing; 1.5 s away too
    assert [t["label"] for t in found.added] == ["cat", "bird"]
    assert [p.changed for p in found.changed] == [("score 0.50 → 0.70",)]


def tag(*spans: tuple[int, int]) -> dict[str, Any]:
    return {"start_ms": spans[0][0], "end_ms": spans[-1][1], "label": "cat", "score": 0.9, "spans": [*spans]}


def test_a_tag_that_comes_and_goes_is_compared_by_its_spans() -> None:
    twice, late = tag((23_000, 28_000), (50_000, 58_000)), tag((23_000, 28_000), (51_000, 58_000))
    one_of_them = tag((24_000, 28_000))
    moved = kind(differences({"tags": [twice]}, {"tags": [late]}), "tags")
    assert [(r.what, r.detail) for r in rows(moved)] == [("moved", "0:50.0–0:58.0 → 0:51.0–0:58.0")]
    fewer = kind(differences({"tags": [twice]}, {"tags": [one_of_them]}), "tags")
    assert [(r.what, r.detail) for r in rows(fewer)] == [
        ("changed", "2 → 1 spans; 0:23.0–0:28.0, 0:50.0–0:58.0 → 0:24.0–0:28.0")
    ]
    assert not differences({"tags": [twice]}, {"tags": [twice]}).any


def test_what_moved_and_changed_is_told_as_both() -> None:
    before = {
        "turns": [thing(0, 12_708, speaker="S1", score=0.83), thing(20_000, 900, speaker="S1", score=0.5)]
    }
    after = {
        "turns": [thing(10_012, 1988, speaker="S1", score=0.9), thing(20_000, 900, speaker="S1", score=0.6)]
    }
    found = differences(before, after)
    turns = kind(found, "turns")
    assert (len(turns.moved), len(turns.changed)) == (1, 2)
    assert [(r.what, r.detail) for r in rows(turns)] == [
        ("moved, changed", "score 0.83 → 0.90; 0:00.0–0:12.7 → 0:10.0–0:12.0"),
        ("changed", "score 0.50 → 0.60"),
    ]
    side = Side("run", "v.mp4", "standard", "today")
    made = page(found, side, side, (before, after), [])
    assert '<tr class="moved changed">' in made


def test_a_text_read_differently_is_one_text() -> None:
    before = {
        "texts": [thing(0, 3000, text="KADR SAMPLE REEL", score=0.9), thing(0, 3000, text="Exit", score=0.9)]
    }
    after = {
        "texts": [thing(0, 3000, text="KADR SAMPLE REAL", score=0.9), thing(0, 3000, text="Menu", score=0.9)]
    }
    found = kind(differences(before, after), "texts")
    assert [p.changed for p in found.changed] == [("“KADR SAMPLE REEL” → “KADR SAMPLE REAL”",)]
    assert ([t["text"] for t in found.lost], [t["text"] for t in found.added]) == (["Exit"], ["Menu"])


def test_speakers_are_who_they_speak_as_not_what_they_are_called() -> None:
    before = {"turns": [thing(0, 4000, speaker="S1", score=0.9), thing(5000, 4000, speaker="S2", score=0.9)]}
    swapped = {"S1": "S2", "S2": "S1"}
    after = {"turns": [{**t, "speaker": swapped[t["speaker"]]} for t in before["turns"]]}
    assert not differences(before, after).any
    third = {"turns": [*after["turns"], thing(12_000, 1000, speaker="S3", score=0.9)]}
    assert [t["speaker"] for t in kind(differences(before, third), "turns").added] == ["S3"]


def test_what_did_not_change_is_no_change_even_where_others_would_agree_more_in_sum() -> None:
    before = {"objects": [thing(0, 1000, label="cat", score=0.9), thing(900, 1000, label="cat", score=0.9)]}
    after = {"objects": [thing(900, 1000, label="cat", score=0.9), thing(1800, 1000, label="cat", score=0.9)]}
    found = kind(differences(before, after), "objects")
    assert (found.same, [p.moved_ms for p in found.moved]) == (1, [1800])


@pytest.mark.parametrize(("label", "name"), [("label", "objects"), ("speaker", "turns"), ("text", "texts")])
def test_a_long_video_whose_things_never_let_go_of_each_other(label: str, name: str) -> None:
    """10,000 follow each other within NEAR_MS; all are 200 ms later but every hundredth, which is lost, and some are new."""
    names = ["harbour", "orchard", "mountain"]
    before = [thing(i * 1000, 900, **{label: names[i // 7 % 3]}, score=0.9) for i in range(10_000)]
    moved = [{**t, "start_ms": t["start_ms"] + 200, "end_ms": t["end_ms"] + 200} for t in before]
    new = [thing(10_010_000 + i * 5000, 900, **{label: names[0]}, score=0.9) for i in range(50)]
    after = [t for i, t in enumerate(moved) if i % 100] + new
    random.Random(7).shuffle(after)
    found = kind(differences({name: before}, {name: after}), name)
    assert (found.same, len(found.moved), len(found.changed)) == (0, 9900, 0)
    assert {p.moved_ms for p in found.moved} == {200}
    assert [t["start_ms"] for t in found.lost] == list(range(0, 10_000_000, 100_000))
    assert sorted(t["start_ms"] for t in found.added) == [t["start_ms"] for t in new]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("it was the best", "It was, the best.", []),
        ("it was the best", "it was the worst", [("best", "worst")]),
        ("it was the best", "it was best", [("the", "")]),
        ("was best", "it was the best", [("", "it"), ("", "the")]),
        ("one two three four", "one 2 3 three four", [("two", "2 3")]),
        ("", "all new", [("", "all new")]),
    ],
)
def test_words_are_aligned(before: str, after: str, changes: list[tuple[str, str]]) -> None:
    one, two = ({"transcript": transcript(s.split())} for s in (before, after))
    found = differences(one, two).words
    assert [(c.before, c.after) for c in found.changes] == changes


def test_values_that_differ_are_said() -> None:
    before = {
        "status": "complete",
        "language": {"language": "en"},
        "loudness": {"integrated_lufs": -18.0, "range_lu": 7.0},
        "moderation": {"peaks": [{"label": "Drawing", "score": 0.5}, {"label": "Sexy", "score": 0.1}]},
    }
    after = {
        "status": "partial",
        "language": {"language": "de"},
        "loudness": {"integrated_lufs": -18.05, "range_lu": None},
        "moderation": {"peaks": [{"label": "Drawing", "score": 0.9}]},
    }
    assert [(f.name, f.before, f.after) for f in differences(before, after).facts] == [
        ("status", "complete", "partial"),
        ("language", "en", "de"),
        ("loudness range_lu", 7.0, None),
        ("moderation Drawing", 0.5, 0.9),
        ("moderation Sexy", 0.1, None),
    ]


def asked(*components: str, **found: Any) -> dict[str, Any]:
    return {"run": {"components": [{"name": name} for name in components]}, **found}


def test_what_one_run_was_never_asked_for_is_not_lost() -> None:
    cat, bird = thing(0, 1000, label="cat", score=0.9), thing(5000, 1000, label="bird", score=0.9)
    before = asked(
        "probe", "speech", "objects", "loudness",
        objects=[cat], transcript=transcript(["it", "was"]), language={"language": "en"},
        loudness={"integrated_lufs": -18.0}, status="complete",
    )  # fmt: skip
    after = asked(
        "probe", "objects", "tags", objects=[cat, bird], tags=[bird], loudness=None, status="complete"
    )
    found = differences(before, after)
    assert [(n.kind, n.run, n.found) for n in found.not_asked] == [
        ("words", "after", 2),
        ("tags", "before", 1),
        ("loudness", "after", 0),
    ]
    assert [t["label"] for t in kind(found, "objects").added] == ["bird"]
    assert not found.words.changes
    assert not found.facts
    assert not kind(found, "tags").any
    after["objects"] = [cat]
    same = differences(before, after)
    assert not same.any
    side = Side("run", "v.mp4", "standard", "today")
    assert "not asked after" in page(same, side, side, (before, after), [])


def ended(states: dict[str, str], **found: Any) -> dict[str, Any]:
    return {"run": {"components": [{"name": n, "state": s} for n, s in states.items()]}, **found}


def test_what_a_run_could_not_look_for_is_not_lost() -> None:
    cat = thing(0, 1000, label="cat", score=0.9)
    well = dict.fromkeys(("objects", "tags", "faces", "loudness", "ocr"), "succeeded")
    before = ended(
        {**well, "faces": "failed"}, objects=[cat], tags=[cat], loudness={"integrated_lufs": -18.0},
        status="partial",
    )  # fmt: skip
    gone = {"objects": "failed", "tags": "blocked", "faces": "failed", "loudness": "failed"}
    after = ended({**well, **gone}, objects=[], tags=[], loudness=None, status="failed")
    found = differences(before, after)
    assert [(n.kind, n.run, n.state, n.found) for n in found.not_compared] == [
        ("objects", "after", "failed", 1),
        ("faces", "both", "failed", 0),
        ("tags", "after", "blocked", 1),
        ("loudness", "after", "failed", 0),
    ]
    assert not any(k.any for k in found.kinds)
    assert [f.name for f in found.facts] == ["status"]
    side = Side("run", "v.mp4", "standard", "today")
    made = page(found, side, replace(side, status="failed"), (before, after), [])
    assert "because it failed after" in made
    assert "because it was blocked after" in made
    assert '<b class="lost">failed</b>' in made


def bars(found: Differences, *both: dict[str, Any]) -> list[list[str]]:
    """What the page marks each run's bars with, of the one kind that differs."""
    side = Side("run", "v.mp4", "standard", "today")
    made = page(found, side, side, (both[0], both[1]), [])
    return [re.findall('<i class="([a-z]+)"', lane) for lane in made.split('class="lane"')[1:]]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("objects", {"label": "person"}),
        ("faces", {}),
        ("turns", {"speaker": "S1"}),
        ("shots", {"kind": "cut"}),
    ],
)
def test_the_page_marks_the_one_of_two_alike_that_is_lost(name: str, fields: dict[str, str]) -> None:
    first, second = (thing(0, 6000, score=score, **fields) for score in (0.9, 0.5))
    other = thing(8000, 1000, score=0.7, **fields)
    before, after = {name: [first, second, other]}, {name: [first, other]}
    found = differences(before, after)
    assert bars(found, before, after) == [["same", "lost", "same"], ["same", "same"]]
    assert bars(differences(after, before), after, before)[1] == ["same", "added", "same"]


def test_the_page_names_both_of_two_different_videos() -> None:
    one = Side("r1", "cat.mp4", "standard", "today", video_id="1")
    made = page(differences({}, {}), one, replace(one, title="dog.mp4", video_id="2"), ({}, {}), [])
    assert "These are two different videos." in made
    assert "cat.mp4 and dog.mp4" in made
    same = page(differences({}, {}), one, replace(one, title="copy.mp4"), ({}, {}), [])
    assert "two different videos" not in same


def test_a_run_that_looked_and_found_nothing_has_lost_it() -> None:
    cat = thing(0, 1000, label="cat", score=0.9)
    found = differences(asked("objects", objects=[cat]), asked("objects", objects=[]))
    assert kind(found, "objects").lost == (cat,)
    assert found.not_asked == ()


@given(insights, insights, st.text(max_size=20))
def test_the_page_shows_any_text_as_text(one: dict[str, Any], two: dict[str, Any], title: str) -> None:
    hostile = f"<script>{title}</script>\"'><img src=x onerror=1>"
    one["texts"].append(thing(0, 100, text=hostile, score=1.0))
    side = Side("run", hostile, hostile, "today")
    made = page(differences(one, two), side, side, (one, two), [hostile])
    assert "<script" not in made
    assert "<img" not in made


def test_a_clock_reads_as_people_write_it() -> None:
    assert [clock(ms) for ms in (0, 65_250, 3_600_000)] == ["0:00.0", "1:05.2", "1:00:00.0"]
