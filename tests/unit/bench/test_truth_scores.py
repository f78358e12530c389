"""The accuracy bench's own scorers, on cases whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.accuracy_table import markdown
from tests.bench.truth.clear import judged_texts, judged_track
from tests.bench.truth.cuts import HARD_TOLERANCE_MS, SOFT_TOLERANCE_MS, Change, matched
from tests.bench.truth.letters import Card, Text, card_errors
from tests.bench.truth.line import Line
from tests.bench.truth.scorers import iou
from tests.bench.truth.sounds import EDGE_MS, STEP_MS, compared
from tests.bench.truth.things import WIDTH, Cutout, Walk, pasted
from tests.bench.truth.words import plain, spoken


def quad(x: float, y: float) -> list[list[float]]:
    return [[x, y - 5], [x + 50, y - 5], [x + 50, y + 5], [x, y + 5]]


def test_a_cut_is_matched_within_its_tolerance_and_once() -> None:
    changes = [Change(1000, 1000), Change(1040, 1040), Change(5000, 5000)]
    assert matched(changes, [1000]) == 1
    assert matched(changes, [1000, 1000 + HARD_TOLERANCE_MS, 5001 + HARD_TOLERANCE_MS]) == 2


def test_a_gradual_change_is_matched_from_before_its_beginning_to_after_its_end() -> None:
    change = Change(2000, 3000)
    assert matched([change], [2000 - SOFT_TOLERANCE_MS]) == 1
    assert matched([change], [3000 + SOFT_TOLERANCE_MS]) == 1
    assert matched([change], [1999 - SOFT_TOLERANCE_MS, 3001 + SOFT_TOLERANCE_MS]) == 0


def test_found_text_counts_for_the_nearest_line_from_left_to_right() -> None:
    lines = [Text("good morning", 50), Text("good night", 100)]
    found = [
        {"text": "morning", "quad": quad(200, 52)},
        {"text": "good", "quad": quad(100, 49)},
        {"text": "good might", "quad": quad(100, 98)},
    ]
    assert card_errors(lines, found) == (1, 22)
    assert card_errors(lines, []) == (22, 22)
    assert card_errors(lines[:1], [*found, {"text": "xyz", "quad": quad(300, 50)}]) == (4 + 11, 12)


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Press 1, um, don't wait!", "en", "press one dont wait"),
        ("Élève n° 3", "fr", "eleve n trois"),
        ("нажмите 2", "ru", "нажмите два"),
        ("42 x", "en", "42 x"),
    ],
)
def test_texts_are_compared_as_plain_words(text: str, language: str, words: str) -> None:
    assert plain(text, language) == words


def test_a_stretch_has_the_language_of_the_segment_that_covers_most_of_it() -> None:
    segments = [
        {"start_ms": 0, "end_ms": 1200, "language": "en"},
        {"start_ms": 1200, "end_ms": 3000, "language": "es"},
    ]
    assert spoken(segments, (1000, 2000)) == "es"
    assert spoken(segments, (5000, 6000)) is None
    assert spoken([], (0, 1)) is None


def test_sounds_are_compared_step_by_step_inside_their_spans() -> None:
    end = 2 * EDGE_MS + 10 * STEP_MS
    pairs = compared(
        [("music", (0, end))], [{"start_ms": 0, "end_ms": EDGE_MS + 4 * STEP_MS, "label": "music"}]
    )
    assert pairs == {("music", "music"): 4, ("music", ""): 6}


def test_overlap_of_boxes() -> None:
    assert iou([0, 0, 10, 10], [0, 0, 10, 10]) == 1
    assert iou([0, 0, 10, 10], [5, 0, 15, 10]) == pytest.approx(1 / 3)
    assert iou([0, 0, 10, 10], [10, 0, 20, 10]) == 0


def test_what_is_hidden_behind_another_thing_is_no_truth() -> None:
    opaque = Cutout("person", np.full((100, 50, 4), 255, np.uint8))
    ground = np.zeros((720, 1280, 3), np.uint8)
    frame, visible = pasted(ground, [(opaque, 300, 300), (opaque, 310, 300), (opaque, 0, 740)])
    assert [i for i, _ in visible] == [1]
    assert visible[0][1] == [285, 250, 335, 350]
    assert frame[300, 300].tolist() == [255, 255, 255]


def test_a_walk_turns_back_at_the_sides() -> None:
    walk = Walk(Cutout("person", np.zeros((10, 100, 4), np.uint8)), 100, 5, 50)
    assert [walk.at(s)[1] for s in (0, 1)] == [100, 150]
    assert all(50 <= walk.at(s)[1] <= WIDTH - 50 for s in range(200))


def test_the_table_names_each_text_once() -> None:
    lines = [
        Line(
            measure=f"m{i}", value=0.5, n="3", data="tapes", published="none", seen="nothing", parts={"a": 4}
        )
        for i in range(2)
    ]
    table = markdown(lines)
    assert "| m1 | 0.500 | a 4 | 3 | 1 | 1 |" in table
    assert table.count("tapes") == 1
    assert table.count("none") == 1


def test_of_a_text_the_words_count_that_stand_in_its_own_line() -> None:
    card = Card("", np.zeros((1, 1, 3), np.uint8), (Text("Press one, please", 50), Text("or press two", 150)))
    texts = [
        {"text": "press ome please", "score": 0.97, "quad": [(0, 40), (9, 40), (9, 60), (0, 60)]},
        {"text": "Or two two", "score": 0.6, "quad": [(0, 140), (9, 140), (9, 160), (0, 160)]},
    ]
    assert judged_texts(card, texts) == [(0.97, 3, 2), (0.6, 3, 2)]


def test_a_track_is_right_where_a_thing_of_its_name_is() -> None:
    shown = [[{"label": "bus", "box": [0, 0, 10, 10]}], [{"label": "person", "box": [0, 0, 10, 10]}]]
    track = {"label": "person", "score": 0.7, "best_ms": 1500, "best_box": [1, 0, 11, 10]}
    assert judged_track(track, shown) == (0.7, 1, 1)
    assert judged_track({**track, "best_ms": 500}, shown) == (0.7, 1, 0)
    assert judged_track({**track, "best_box": [8, 0, 18, 10]}, shown) == (0.7, 1, 0)
