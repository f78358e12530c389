"""shots: cuts, fades, dissolves and flashes of generated video; chunked equals unchunked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from functions.shots.component import SHOT_SIGNALS, SHOTS, ShotsParams, merge_shots, shots
from functions.shots.scenes import scene_of_shots
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Frames, Part
from kadr.contracts.packs import view_of
from kadr.media.pack import FramePack
from kadr.media.source import FileSource
from tests.media_files import colour, packs_of, scenery, write_video
from tests.unit.functions.models import models

Array = np.ndarray[Any, Any]
FRAME_MS = 40
SIZE = (160, 90)


def moving(seed: int, count: int) -> list[Array]:
    """A shot: a still scenery with a disc that wanders over it."""
    ground = scenery(seed, SIZE)
    frames = [ground.copy() for _ in range(count)]
    for i, frame in enumerate(frames):
        cv2.circle(frame, (20 + (2 * i + 7 * seed) % 120, 45), 12, (240, 240, 240), -1)
    return frames


def blended(one: Array, other: Array, count: int) -> list[Array]:
    weights = np.linspace(0, 1, count + 2)[1:-1]
    return [cv2.addWeighted(one, 1 - float(w), other, float(w), 0) for w in weights]


EVERY, STILLS = Frames(size=(48, 27)), Frames(fps=1, long_side=320)


def analysed(
    source: FileSource, params: ShotsParams | None = None, weights: Any = None, **cutting: int
) -> Artifact:
    params = params or ShotsParams()
    parts: list[Part] = []
    for chunk, (frames, stills) in packs_of(source, EVERY, STILLS, **cutting):
        made = shots(FramePack(frames), FramePack(stills, view_of(STILLS)), params, weights or {}, chunk)
        parts.append(Part(chunk, SHOT_SIGNALS.checked(made)))
    return SHOTS.checked(merge_shots(parts, params))


def cuts(found: Artifact) -> list[tuple[int, int]]:
    """(ms, kind) of every shot's beginning but the first."""
    return list(zip(found["shot_start_ms"].tolist(), found["shot_kind"].tolist(), strict=True))[1:]


def film(tmp_path: Path, frames: Sequence[Array], gop: int = 25) -> FileSource:
    return write_video(tmp_path / "film.mp4", frames, gop=gop, b_frames=2)


def near(expected: Sequence[tuple[int, int]], tolerance_ms: int) -> list[tuple[Any, int]]:
    return [(pytest.approx(t, abs=tolerance_ms), kind) for t, kind in expected]


def test_hard_cuts_are_found_to_the_frame(tmp_path: Path) -> None:
    lengths = [40, 33, 60, 25, 50]
    frames = [f for seed, n in enumerate(lengths) for f in moving(seed, n)]
    found = analysed(film(tmp_path, frames))
    expected = [(int(t) * FRAME_MS, 1) for t in np.cumsum(lengths)[:-1]]
    assert cuts(found) == expected
    assert found["shot_end_ms"][-1] == len(frames) * FRAME_MS


def test_a_fade_through_black(tmp_path: Path) -> None:
    one, other = moving(1, 50), moving(2, 50)
    black = colour(0, 0, 0, SIZE)
    frames = [*one, *blended(one[-1], black, 15), *[black] * 6, *blended(black, other[0], 15), *other]
    assert cuts(analysed(film(tmp_path, frames))) == near([(68 * FRAME_MS, 2)], 200)


@pytest.mark.parametrize("length", [12, 25, 40])
def test_a_dissolve(tmp_path: Path, length: int) -> None:
    one, other = moving(1, 60), moving(2, 60)
    frames = [*one, *blended(one[-1], other[0], length), *other]
    middle = (60 + length // 2) * FRAME_MS
    assert cuts(analysed(film(tmp_path, frames))) == near([(middle, 2)], 200)


def test_a_flash_is_no_cut(tmp_path: Path) -> None:
    frames = moving(3, 120)
    frames[50] = frames[51] = colour(255, 255, 255, SIZE)
    frames[90] = colour(255, 255, 255, SIZE)
    assert cuts(analysed(film(tmp_path, frames))) == []


def test_a_pan_and_a_zoom_are_no_cuts(tmp_path: Path) -> None:
    ground = cv2.resize(scenery(5, (96, 54)), (640, 360), interpolation=cv2.INTER_CUBIC)
    pan = [ground[100:190, 2 * i : 2 * i + 160] for i in range(100)]
    zoom = [
        cv2.resize(ground[i : 360 - i, i : 640 - i], SIZE, interpolation=cv2.INTER_AREA) for i in range(100)
    ]
    assert cuts(analysed(film(tmp_path, pan))) == []
    assert cuts(analysed(film(tmp_path, zoom))) == []


def story() -> list[Array]:
    """Cuts at and around second marks, a fade, dissolves and a flash, of which some lie on the seams of 2 s chunks."""
    black = colour(0, 0, 0, SIZE)
    a, b, c, d = moving(1, 50), moving(2, 51), moving(3, 43), moving(4, 70)
    e, f, g = moving(5, 40), moving(6, 60), moving(7, 55)
    d[30] = colour(255, 255, 255, SIZE)
    fade = [*blended(d[-1], black, 12), *[black] * 4, *blended(black, e[0], 12)]
    return [*a, *b, *c, *blended(c[-1], d[0], 20), *d, *fade, *e, *blended(e[-1], f[0], 12), *f, *g]


def same(one: Artifact, other: Artifact, names: Sequence[str]) -> Mapping[str, bool]:
    return {name: np.array_equal(one[name], other[name]) for name in names}


@pytest.mark.parametrize("gop", [25, 12, 50])
def test_chunked_equals_unchunked(tmp_path: Path, gop: int) -> None:
    source = film(tmp_path, story(), gop)
    whole = analysed(source)
    assert [kind for _, kind in cuts(whole)] == [1, 1, 2, 2, 2, 1]
    for chunk_ms in (500, 1000, 2000, 3300, 6000):
        pieces = analysed(source, chunk_ms=chunk_ms)
        agreement = same(whole, pieces, [n for n in SHOTS.arrays if not n.startswith("keyframe")])
        assert all(agreement.values()), (chunk_ms, agreement)
        # A chunk's first 1.25 s may lie in a shot whose beginning it cannot judge: there another picture may be kept.
        for t, start, end in zip(
            *(pieces[n].tolist() for n in ("keyframe_ms", "shot_start_ms", "shot_end_ms")), strict=True
        ):
            assert start <= t < end


def test_a_part_of_the_video(tmp_path: Path) -> None:
    source = film(tmp_path, story())
    whole, part = analysed(source), analysed(source, from_ms=1500, to_ms=9000)
    assert part["shot_start_ms"][0] == 1500
    assert part["shot_end_ms"][-1] == 9000
    assert cuts(part) == [c for c in cuts(whole) if 1500 < c[0] < 9000]


def test_a_missing_chunk_ends_the_shot_before_it(tmp_path: Path) -> None:
    source = film(tmp_path, [f for seed in range(6) for f in moving(seed, 50)], 50)
    parts = []
    for chunk, (frames, stills) in packs_of(source, EVERY, STILLS, chunk_ms=2000):
        parts.append(
            Part(
                chunk,
                SHOT_SIGNALS.checked(
                    shots(FramePack(frames), FramePack(stills, view_of(STILLS)), ShotsParams(), {}, chunk)
                ),
            )
        )
    assert len(parts) == 6
    found = merge_shots([p for i, p in enumerate(parts) if i != 2], ShotsParams())
    spans = list(zip(found["shot_start_ms"].tolist(), found["shot_end_ms"].tolist(), strict=True))
    assert spans == [(0, 2000), (2000, 4000), (6000, 8000), (8000, 10_000), (10_000, 12_000)]
    assert found["shot_kind"].tolist() == [0, 1, 0, 1, 1]


def test_pictures_and_motion(tmp_path: Path) -> None:
    frames = [*moving(1, 60), *([scenery(9, SIZE)] * 66), *moving(3, 12), *moving(4, 60)]
    found = analysed(film(tmp_path, frames))
    files = [
        found["keyframe_bytes"][a:b]
        for a, b in zip(found["keyframe_offsets"][:-1], found["keyframe_offsets"][1:], strict=True)
    ]
    pictures: list[Any] = [cv2.imdecode(f, cv2.IMREAD_COLOR_RGB) for f in files]
    assert [p.shape[:2] for p in pictures] == [(90, 160), (90, 160), (27, 48), (90, 160)]
    assert np.abs(pictures[1].astype(int) - scenery(9, SIZE)).mean() < 8
    assert (
        np.abs(
            cv2.resize(moving(3, 12)[5], (48, 27), interpolation=cv2.INTER_AREA).astype(int) - pictures[2]
        ).mean()
        < 15
    )
    assert found["story_ms"].tolist() == [0, 2000, 4000, 6000]
    still, busy = found["motion"][3], found["motion"][1]
    assert still < 0.5 * busy
    assert found["motion_ms"].tolist() == [1000 * i for i in range(8)]


def test_shots_that_return_are_one_scene(tmp_path: Path) -> None:
    dialogue = [f for i in range(6) for f in moving(1 + i % 2, 40)]
    other = [f for i in range(4) for f in moving(7 + i % 2, 40)]
    found = analysed(film(tmp_path, dialogue + other))
    assert found["shot_scene"].tolist() == [0] * 6 + [1] * 4
    assert found["scene_start_ms"].tolist() == [0, 9600]
    assert found["scene_end_ms"].tolist() == [9600, 16_000]


def test_links_overlap() -> None:
    looks = np.eye(4)
    order = [0, 1, 0, 2, 1, 3, 3]
    assert scene_of_shots([looks[i] for i in order], [1000 * i for i in range(7)]) == [0, 0, 0, 0, 0, 1, 1]
    assert scene_of_shots([], []) == []


def test_a_chunk_without_pictures(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mkv", moving(1, 10), tone_s=20.0)
    found = analysed(source)
    assert found["shot_start_ms"].tolist() == [0]
    assert found["shot_end_ms"].tolist() == [400]
    empty = dataclasses.replace(SHOT_SIGNALS.empty())
    arrays = dict(empty.arrays) | {
        n: np.zeros(1, dtype=np.int64) for n in ("keyframe_offsets", "story_offsets")
    }
    (chunk, _), *_ = packs_of(source)
    nothing = SHOTS.checked(merge_shots([Part(chunk, Artifact(arrays))], ShotsParams()))
    assert all(len(a) <= 1 for a in nothing.arrays.values())


def test_min_shot_and_threshold(tmp_path: Path) -> None:
    frames = [*moving(1, 50), *moving(2, 8), *moving(3, 50)]
    source = film(tmp_path, frames)
    assert len(cuts(analysed(source, ShotsParams(min_shot_ms=0)))) == 2
    assert len(cuts(analysed(source, ShotsParams(min_shot_ms=1000)))) == 1
    assert cuts(analysed(source, ShotsParams(detector="content", min_shot_ms=0))) == [(2000, 1), (2320, 1)]
    assert cuts(analysed(source, ShotsParams(detector="content", threshold=250))) == []


def test_transnet_finds_cuts_and_dissolves_in_chunks_too(tmp_path: Path) -> None:
    transnet = models("transnetv2")
    params = ShotsParams(detector="transnet")
    one, other = moving(11, 60), moving(12, 45)
    source = film(tmp_path, [*moving(10, 60), *one, *blended(one[-1], other[0], 20), *other])
    whole = analysed(source, params, transnet)
    assert cuts(whole) == [(2400, 1), (pytest.approx(5200, abs=250), 2)]
    # Its windows of 100 frames begin with the chunk: at a seam it sees other neighbours, and may be off by a frame or two.
    pieces = analysed(source, params, transnet, chunk_ms=2000)
    assert cuts(pieces) == near(cuts(whole), 80)
