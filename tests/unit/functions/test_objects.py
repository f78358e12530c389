from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from functions.objects.component import CANDIDATES, OBJECTS, ObjectParams, link_tracks, objects
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Part
from kadr.contracts.errors import InvalidProfile
from kadr.contracts.media import ChunkSpan
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
    assert tracks(found) == [("person", 0, 1250), ("cat", 1250, 2750), ("person", 2750, 4250)]


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
    assert tracks(merged(found, params=ObjectParams(classes=("cat",)))) == [("cat", 750, 1750)]
    with pytest.raises(InvalidProfile, match=r"'dragon'.*person, bicycle"):
        merged(found, params=ObjectParams(classes=("dragon",)))


def test_pictures_of_nothing_and_no_pictures_give_nothing() -> None:
    assert tracks(merged(part([np.full((270, 480, 3), 90, np.uint8)] * 3))) == []
    assert tracks(merged(part([]))) == []
