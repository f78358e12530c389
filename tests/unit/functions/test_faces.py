from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from functions.faces.component import CANDIDATES, EMOTIONS, FACES, FaceParams, faces, merge_faces
from functions.faces.emotion import aligned
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Part
from kadr.contracts.media import ChunkSpan
from tests.unit.functions.frames import MemoryFrames
from tests.unit.functions.models import models

PICTURES = Path(__file__).parents[2] / "data" / "pictures"
STEP_MS = 500
ASTRONAUT = [168, 67, 290, 189]


def picture(name: str) -> np.ndarray:
    return np.asarray(cv2.imread(str(PICTURES / f"{name}.jpg"), cv2.IMREAD_COLOR_RGB))


def part(
    images: Sequence[np.ndarray],
    start_ms: int = 0,
    end_ms: int | None = None,
    scale: float = 1.0,
    params: FaceParams | None = None,
) -> Part:
    span = ChunkSpan(start_ms, STEP_MS * len(images) if end_ms is None else end_ms)
    frames = MemoryFrames(images, step_ms=STEP_MS, scale=scale, size=(480, 270)).between(
        span.start_ms, span.end_ms
    )
    found = faces(frames, params or FaceParams(), models("blazeface", "face_emotion"))
    return Part(span, CANDIDATES.checked(found))


def merged(*parts: Part, params: FaceParams | None = None) -> Artifact:
    return FACES.checked(merge_faces(parts, params or FaceParams()))


def tracks(found: Artifact) -> list[tuple[int, int]]:
    return list(zip(found["track_start_ms"].tolist(), found["track_end_ms"].tolist(), strict=True))


def test_finds_a_face_and_its_points_at_their_places_in_the_source_picture() -> None:
    found = merged(part([picture("astronaut")] * 2, scale=2.0))
    assert tracks(found) == [(0, 750)]
    assert np.abs(found["det_box"][0] / 2 - ASTRONAUT).max() < 10
    right_eye, left_eye, nose, mouth, right_ear, left_ear = found["det_points"][0]
    assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]


def test_reads_a_smile() -> None:
    found = merged(part([picture("astronaut")] * 2))
    assert found.payload["emotions"] == list(EMOTIONS)
    assert EMOTIONS[int(found["track_emotion"][0].argmax())] == "happy"
    assert found["track_emotion"][0].sum() == pytest.approx(1, abs=1e-3)


def test_expressions_are_not_read_when_not_asked_for() -> None:
    found = merged(part([picture("astronaut")] * 2, params=FaceParams(emotion=False)))
    assert tracks(found) == [(0, 750)]
    assert not found["track_emotion"].any()
    assert not found["det_emotion"].any()


@pytest.mark.parametrize("name", ["cat", "cup"])
def test_what_resembles_a_face_is_none_however_long_it_is_seen(name: str) -> None:
    shaken = [np.roll(picture(name), 2 * i, axis=1) for i in range(8)]
    assert tracks(merged(part(shaken))) == []


@pytest.mark.parametrize("seam_ms", [500, 1000, 2300])
def test_tracks_run_across_seams(seam_ms: int) -> None:
    images = [np.roll(picture("portrait"), 3 * i, axis=1) for i in range(6)]
    whole, split = merged(part(images)), merged(part(images, 0, seam_ms), part(images, seam_ms))
    assert tracks(split) == tracks(whole) == [(0, 2750)]
    assert np.abs(split["det_box"] - whole["det_box"]).max() <= 0.2
    assert np.abs(split["track_emotion"] - whole["track_emotion"]).max() <= 1e-3


def test_two_faces_are_two_tracks() -> None:
    both = np.hstack([picture("astronaut")[:, 80:320], picture("portrait")[:, 240:480]])
    found = merged(part([both] * 3))
    assert tracks(found) == [(0, 1250), (0, 1250)]
    assert np.bincount(found["det_track"]).tolist() == [3, 3]


def test_a_tilted_face_is_turned_upright() -> None:
    grey = np.zeros((100, 100), np.uint8)
    points = np.array([[35.0, 35.0], [65.0, 65.0]])
    cv2.line(grey, (35, 35), (65, 65), 255, 3)
    upright = aligned(grey, np.array([20.0, 20.0, 80.0, 80.0]), points, 64)
    rows = np.flatnonzero(upright.max(axis=1) > 128)
    assert rows[0] >= 29
    assert rows[-1] <= 35


def test_pictures_of_nothing_and_no_pictures_give_nothing() -> None:
    assert tracks(merged(part([np.full((270, 480, 3), 90, np.uint8)] * 3))) == []
    assert tracks(merged(part([]))) == []
