from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.objects.component import CANDIDATES, OBJECTS, ObjectParams, link_tracks, objects
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Part
from kadr.contracts.errors import InvalidProfile
from kadr.contracts.media import ChunkSpan
from kadr.craft.looks import LENGTH
from tests.unit.functions.frames import MemoryFrames
from tests.unit.functions.models import models

PICTURES = Path(__file__).parents[2] / "data" / "pictures"
STEP_MS = 500


def picture(name: str) -> np.ndarray:
    return np.asarray(cv2.imread(str(PICTURES / f"{name}.jpg"), cv2.IMREAD_COLOR_RGB))


def part(
    images: Sequence[np.ndarray], start_ms: int = 0, end_ms: int | None = None, scale: float = 1.0
) -> Part:
    frames = MemoryFrames(images, step_ms=STEP_MS, scale=scale, size=(480, 270)).between(0, 10**9)
    end = STEP_MS * len(images) if end_ms is None else end_ms
    span = ChunkSpan(start_ms, end)
    return Part(
        span, CANDIDATES.checked(objects(frames.between(start_ms, end), ObjectParams(), models("nanodet")))
    )


def merged(*parts: Part, params: ObjectParams | None = None) -> Artifact:
    return OBJECTS.checked(link_tracks(parts, params or ObjectParams()))


def tracks(found: Artifact) -> list[tuple[str, int, int]]:
    labels = [found.payload["labels"][i] for i in found["track_label"]]
    return list(zip(labels, found["track_start_ms"].tolist(), found["track_end_ms"].tolist(), strict=True))


def test_finds_a_thing_at_its_place_in_the_source_picture() -> None:
    found = merged(part([picture("cup")] * 2, scale=2.0))
    assert tracks(found) == [("cup", 0, 750)]
    assert np.abs(found["det_box"][0] / 2 - [90, 3, 331, 260]).max() < 12


def test_a_change_of_picture_ends_one_track_and_begins_another() -> None:
    found = merged(part([picture("portrait")] * 3 + [picture("cat")] * 3 + [picture("portrait")] * 3))
    assert tracks(found) == [("person", 0, 1250), ("cat", 1500, 2750), ("person", 3000, 4250)]


def test_two_people_in_the_same_place_are_two_tracks() -> None:
    images = [picture("portrait")] * 3 + [picture("astronaut")] * 3
    assert [label for label, _, _ in tracks(merged(part(images)))] == ["person", "person"]


@pytest.mark.parametrize("seam_ms", [500, 1000, 2300])
def test_tracks_run_across_seams(seam_ms: int) -> None:
    images = [np.roll(picture("portrait"), 3 * i, axis=1) for i in range(6)]
    whole = merged(part(images))
    split = merged(part(images, 0, seam_ms), part(images, seam_ms))
    assert tracks(split) == tracks(whole) == [("person", 0, 2750)]
    assert np.abs(split["det_box"] - whole["det_box"]).max() <= 0.2


def test_a_missed_frame_does_not_end_a_track() -> None:
    blank = np.zeros((270, 480, 3), np.uint8)
    found = merged(part([picture("cat")] * 2 + [blank] + [picture("cat")] * 2))
    assert tracks(found) == [("cat", 0, 2250)]
    assert found["det_t_ms"].tolist() == [0, 500, 1500, 2000]


def test_only_the_classes_asked_for() -> None:
    found = part([picture("cup")] * 2 + [picture("cat")] * 2)
    assert tracks(merged(found, params=ObjectParams(classes=("cat",)))) == [("cat", 1000, 1750)]
    with pytest.raises(InvalidProfile, match=r"'dragon'.*person, bicycle"):
        merged(found, params=ObjectParams(classes=("dragon",)))


def test_pictures_of_nothing_and_no_pictures_give_nothing() -> None:
    assert tracks(merged(part([np.full((270, 480, 3), 90, np.uint8)] * 3))) == []
    assert tracks(merged(part([]))) == []


@st.composite
def candidates(draw: st.DrawFn) -> Artifact:
    """Things of two classes that wander about, with scores from hardly to surely."""
    seen = []
    for _ in range(draw(st.integers(0, 4))):
        start, length = draw(st.integers(0, 15)), draw(st.integers(1, 15))
        x, speed, label = draw(st.integers(0, 400)), draw(st.integers(-40, 40)), draw(st.integers(0, 1))
        scores = draw(st.lists(st.sampled_from([0.22, 0.4, 0.5, 0.7]), min_size=length, max_size=length))
        boxes = [(x + speed * i, 50, x + speed * i + 100, 200) for i in range(length)]
        seen += [(STEP_MS * (start + i), box, scores[i], label) for i, box in enumerate(boxes)]
    seen.sort(key=lambda s: s[0])
    arrays: dict[str, np.ndarray] = {
        "det_t_ms": np.array([s[0] for s in seen], dtype=np.int64),
        "det_box": np.array([s[1] for s in seen], dtype=np.float32).reshape(-1, 4),
        "det_score": np.array([s[2] for s in seen], dtype=np.float32),
        "det_label": np.array([s[3] for s in seen], dtype=np.int32),
        "det_look": np.full((len(seen), LENGTH), 16, dtype=np.uint8),
    }
    return CANDIDATES.checked(Artifact(arrays, {"labels": ["person", "bicycle"], "step_ms": STEP_MS}))


@settings(max_examples=60)
@given(candidates(), st.lists(st.integers(1, 14_999), max_size=4, unique=True).map(sorted))
def test_any_seams_give_what_no_seam_gives(found: Artifact, seams: list[int]) -> None:
    spans = [ChunkSpan(a, b) for a, b in pairwise([0, *seams, 15_000])]
    parts = []
    for span in spans:
        inside = (found["det_t_ms"] >= span.start_ms) & (found["det_t_ms"] < span.end_ms)
        parts.append(Part(span, Artifact({n: a[inside] for n, a in found.arrays.items()}, found.payload)))
    everything = found["det_t_ms"] < 15_000
    whole = Part(
        ChunkSpan(0, 15_000), Artifact({n: a[everything] for n, a in found.arrays.items()}, found.payload)
    )
    split, unsplit = merged(*parts), merged(whole)
    assert {n: a.tolist() for n, a in split.arrays.items()} == {
        n: a.tolist() for n, a in unsplit.arrays.items()
    }
    assert np.bincount(split["det_track"], minlength=len(split["track_label"])).min(initial=1) > 0


def test_one_thing_read_as_two_classes_is_one_track_of_the_likelier() -> None:
    found = part([picture("cat")] * 4)
    read = {found.artifact.payload["labels"][i] for i in found.artifact["det_label"]}
    assert {"cat", "dog"} <= read
    assert tracks(merged(found, params=ObjectParams(min_peak=0.3))) == [("cat", 0, 1750)]
