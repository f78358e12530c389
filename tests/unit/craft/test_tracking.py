from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadr.craft.looks import LENGTH, likeness, look
from kadr.craft.tracking import GAP_MS, Detections, linked, summarised

STEP_MS = 500
RED, BLUE = (np.repeat(np.eye(2, dtype=np.uint8)[i], LENGTH // 2) * 16 for i in range(2))
Seen = tuple[int, tuple[float, float, float, float], float, int, np.ndarray]


def detections(*seen: Seen) -> Detections:
    """From (t_ms, box, score, label, look), brought into order of time."""
    ordered = sorted(seen, key=lambda s: s[0])
    return Detections(
        np.array([s[0] for s in ordered], dtype=np.int64),
        np.array([s[1] for s in ordered], dtype=np.float32).reshape(-1, 4),
        np.array([s[2] for s in ordered], dtype=np.float32),
        np.array([s[3] for s in ordered], dtype=np.int32),
        np.array([s[4] for s in ordered], dtype=np.uint8).reshape(-1, LENGTH),
    )


def walk(
    x: float = 0,
    speed: float = 0,
    frames: int = 5,
    start: int = 0,
    score: float = 0.8,
    label: int = 0,
    y: float = 0,
) -> list[Seen]:
    """A box of 100 × 200 that moves by ``speed`` pixels a frame."""
    boxes = [(x + speed * i, y, x + speed * i + 100, y + 200) for i in range(frames)]
    return [((start + i) * STEP_MS, box, score, label, RED) for i, box in enumerate(boxes)]


def groups(found: Detections) -> list[list[int]]:
    return linked(found, 0.5, STEP_MS)


@pytest.mark.parametrize("speed", [0, 15, -40, 80])
def test_a_moving_thing_is_one_track(speed: float) -> None:
    assert groups(detections(*walk(speed=speed, frames=8))) == [list(range(8))]


def test_things_that_pass_each_other_keep_their_tracks() -> None:
    found = detections(*walk(0, 60, frames=9, y=0), *walk(480, -60, frames=9, y=40))
    tops = [{float(found.boxes[i, 1]) for i in group} for group in groups(found)]
    assert tops == [{0.0}, {40.0}]


def test_classes_and_looks_do_not_mix() -> None:
    assert len(groups(detections(*walk(frames=3), *walk(frames=3, start=3, label=7)))) == 2
    other = [(t, box, score, label, BLUE) for t, box, score, label, _ in walk(frames=3, start=3)]
    assert len(groups(detections(*walk(frames=3), *other))) == 2


def shade(degrees: float) -> np.ndarray:
    """A look whose likeness to another is the cosine of the angle between them."""
    angle = np.radians(degrees)
    halves = np.array([np.cos(angle), np.sin(angle)])
    return np.repeat((100 * halves).round().astype(np.uint8), LENGTH // 2)


def test_things_that_meet_and_turn_back_are_told_apart_by_their_looks() -> None:
    lefts, rights = (4, 36, 68, 100, 68, 36, 4), (226, 194, 162, 130, 162, 194, 226)
    one = [(i * STEP_MS, (x, 0, x + 100, 200), 0.8, 0, shade(0)) for i, x in enumerate(lefts)]
    two = [(i * STEP_MS, (x, 0, x + 100, 200), 0.8, 0, shade(30)) for i, x in enumerate(rights)]
    found = detections(*one, *two)
    looks = [{int(found.looks[i, 0]) for i in group} for group in groups(found)]
    assert looks == [{100}, {87}]


def test_a_thing_that_was_hidden_bit_by_bit_is_known_again() -> None:
    hidden = [0, 0, 30, 60, 0, 0]
    seen = [
        (t, box, score, label, shade(angle))
        for (t, box, score, label, _), angle in zip(walk(speed=10, frames=6), hidden, strict=True)
    ]
    assert groups(detections(*seen)) == [list(range(6))]


def test_a_track_goes_where_it_went_over_several_steps_not_where_one_jittering_box_points() -> None:
    steady, (last,) = walk(speed=90, frames=4), walk(x=320, frames=1, start=4)
    (later,) = walk(x=630, frames=1, start=7)
    assert groups(detections(*steady, last, later)) == [list(range(6))]


def test_a_track_outlives_a_short_gap_only() -> None:
    missed = GAP_MS // STEP_MS - 1
    assert len(groups(detections(*walk(frames=3), *walk(frames=3, start=3 + missed)))) == 1
    assert len(groups(detections(*walk(frames=3), *walk(frames=3, start=3 + missed + 1)))) == 2


def test_an_unsure_detection_carries_a_track_on_but_begins_none() -> None:
    assert groups(detections(*walk(score=0.3))) == []
    assert groups(detections(*walk(frames=2), *walk(frames=3, start=2, score=0.3))) == [[0, 1, 2, 3, 4]]


def test_a_track_begins_where_it_was_seen_and_lasts_half_a_step_longer_within_the_video() -> None:
    found = detections(*walk(frames=3, start=2))
    tracks = summarised(found, groups(found), STEP_MS, (0, 2100))
    assert (tracks.start_ms.tolist(), tracks.end_ms.tolist()) == ([1000], [2100])
    assert tracks.scores == pytest.approx([0.8])


def test_nothing_links_to_nothing() -> None:
    found = detections()
    tracks = summarised(found, groups(found), STEP_MS, (0, 1000))
    assert len(tracks.start_ms) == len(tracks.of_detection) == 0


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 30),
            st.integers(0, 400),
            st.integers(0, 200),
            st.integers(20, 200),
            st.sampled_from([0.3, 0.55, 0.8]),
            st.integers(0, 2),
        ),
        max_size=60,
    ),
    st.integers(0, 10**7),
)
def test_tracks_hold_each_detection_once_and_one_a_frame(
    boxes: list[tuple[int, int, int, int, float, int]], shift_ms: int
) -> None:
    seen = [(t * STEP_MS, (x, y, x + s, y + s), score, label, RED) for t, x, y, s, score, label in boxes]
    found = detections(*seen)
    made = groups(found)
    members = [i for group in made for i in group]
    assert len(members) == len(set(members))
    assert set(np.flatnonzero(found.scores >= 0.5)) <= set(members)
    for group in made:
        gaps = np.diff(found.t_ms[group])
        assert found.scores[group[0]] >= 0.5
        assert len(set(found.labels[group].tolist())) == 1
        assert not len(gaps) or (gaps.min() > 0 and gaps.max() <= GAP_MS)
    later = Detections(found.t_ms + shift_ms, *(getattr(found, f.name) for f in fields(found)[1:]))
    assert groups(later) == made


def test_looks_tell_colours_and_where_they_are() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30], image[:, 30:] = (250, 10, 10), (10, 10, 250)
    red, both = look(image, np.array([0, 0, 30, 40])), look(image, np.array([0, 0, 60, 40]))
    mirrored = look(image[:, ::-1], np.array([0, 0, 60, 40]))
    alike = likeness(np.stack([red, both]), np.stack([red, both, mirrored]))
    assert alike == pytest.approx(np.array([[1, 0.5, 0.5], [0.5, 1, 0]]), abs=0.01)


def test_a_box_beyond_the_picture_has_a_look() -> None:
    image = np.full((10, 10, 3), 200, np.uint8)
    assert look(image, np.array([9.5, 9.5, 40, 40])).any()
    assert look(image, np.array([-5.0, -5.0, 0.2, 0.2])).any()
