from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.quality.component import QUALITY, QUALITY_MEASURES, QualityParams, merge_quality, quality
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Part
from kadr.contracts.media import ChunkSpan
from tests.unit.functions.frames import MemoryFrames
from tests.unit.functions.reel import reel_frames

SIZE = (180, 320)
BLACK = np.full((*SIZE, 3), 4, dtype=np.uint8)


def scene(seed: int) -> np.ndarray:
    """A picture of blocks with sharp edges; no two seeds look alike."""
    small = np.random.default_rng(seed).integers(40, 220, (18, 32, 3), dtype=np.uint8)
    return cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_NEAREST)


def part(frames: MemoryFrames, start_ms: int, end_ms: int) -> Part:
    made = quality(frames.between(start_ms, end_ms), QualityParams())
    return Part(ChunkSpan(start_ms, end_ms), QUALITY_MEASURES.checked(made))


def judged(
    images: Sequence[np.ndarray], cuts: Sequence[int] = (), params: QualityParams | None = None
) -> Artifact:
    """``images`` at two a second, cut into chunks before the frames ``cuts``."""
    frames = MemoryFrames(images, step_ms=500)
    bounds = pairwise(500 * cut for cut in (0, *sorted(cuts), len(images)))
    return _merged([part(frames, *span) for span in bounds], params)


def _merged(parts: Sequence[Part], params: QualityParams | None = None) -> Artifact:
    return QUALITY.checked(merge_quality(parts, params or QualityParams()))


def spans(found: Artifact) -> list[tuple[int, int, str]]:
    kinds = [found.payload["kinds"][i] for i in found["span_kind"]]
    return list(zip(found["span_start_ms"].tolist(), found["span_end_ms"].tolist(), kinds, strict=True))


def test_the_reel_stands_still_where_it_says_so_and_is_sharp_throughout() -> None:
    frames = reel_frames(44_000, 65_500, fps=2)
    assert spans(_merged([part(frames, 44_000, 65_500)])) == [(53_000, 57_000, "freeze")]


def test_a_blurred_reel_is_blurred() -> None:
    frames = reel_frames(44_000, 65_500, fps=2)
    soft = MemoryFrames([cv2.GaussianBlur(i, (0, 0), 2) for i in frames.images[8:20]], 500, 48_000)
    assert spans(_merged([part(soft, 48_000, 54_000)]))[0] == (48_000, 54_000, "blur")


def test_blur_falls_as_a_picture_loses_its_edges() -> None:
    picture = scene(1)
    found = judged([picture, *(cv2.GaussianBlur(picture, (0, 0), s) for s in (1, 2, 4))])
    assert (np.diff(found["blur"]) < 0).all()


def test_the_blur_threshold_moves_what_is_blurred() -> None:
    soft = [cv2.GaussianBlur(scene(i), (0, 0), 3) for i in range(4)]
    level = float(judged(soft)["blur"].max())
    assert spans(judged(soft, params=QualityParams(blur_threshold=level + 1))) == [(0, 2000, "blur")]
    assert spans(judged(soft, params=QualityParams(blur_threshold=0))) == []


def test_luma_and_contrast_are_in_grey_levels() -> None:
    halves = np.zeros((*SIZE, 3), dtype=np.uint8)
    halves[:, 160:] = 200
    found = judged([halves])
    assert found["luma"].tolist() == [100]
    assert found["contrast"].tolist() == [100]
    assert found["change"].tolist() == [-1], "nothing is before the first frame"


def test_black_is_neither_frozen_nor_blurred() -> None:
    images = [scene(1), scene(2), *[BLACK.copy() for _ in range(8)], scene(3)]
    assert spans(judged(images)) == [(1000, 5000, "black")]


def test_a_night_sky_is_not_black() -> None:
    sky = [BLACK.copy() for _ in range(6)]
    for i, picture in enumerate(sky):
        picture[10 * i :: 20, ::20] = 255
    assert not [s for s in spans(judged(sky)) if s[2] == "black"]


def test_two_stills_one_after_the_other_are_two_freezes() -> None:
    first, second = scene(1), scene(2)
    images = [scene(3), *[first] * 5, *[second.copy() for _ in range(4)], scene(4)]
    assert spans(judged(images)) == [(500, 3000, "freeze"), (3000, 5000, "freeze")]


def test_a_short_stop_and_a_small_thing_that_moves_are_no_freeze() -> None:
    images = [scene(1), *[scene(2)] * 3, scene(3)]
    for step in range(6):
        images.append(scene(4))
        images[-1][80:92, 40 + 20 * step : 60 + 20 * step] = 255
    assert spans(judged(images)) == []


def test_slight_coding_noise_does_not_hide_a_freeze_but_grain_is_life() -> None:
    still, random = scene(1).astype(np.int16), np.random.default_rng(5)

    def noisy(levels: int, share: float) -> np.ndarray:
        noise = random.integers(-levels, levels + 1, (*SIZE, 1)) * (random.random((*SIZE, 1)) < share)
        return np.asarray(np.clip(still + noise, 0, 255), dtype=np.uint8)

    assert spans(judged([noisy(1, 0.3) for _ in range(6)])) == [(0, 3000, "freeze")]
    assert spans(judged([noisy(4, 1) for _ in range(6)])) == []


def test_a_span_ends_with_the_video() -> None:
    frames = MemoryFrames([BLACK.copy() for _ in range(4)], step_ms=500)
    assert spans(_merged([part(frames, 0, 1700)])) == [(0, 1700, "black")]


def test_a_lost_chunk_parts_a_span() -> None:
    frames = MemoryFrames([scene(1)] * 20, step_ms=500)
    kept = [part(frames, 0, 3000), part(frames, 6000, 10_000)]
    assert spans(_merged(kept)) == [(0, 3000, "freeze"), (6000, 10_000, "freeze")]


def test_no_frames_have_no_quality() -> None:
    found = _merged([part(MemoryFrames([], size=(320, 180)), 0, 1000)])
    assert not len(found["t_ms"])
    assert spans(found) == []


@settings(max_examples=40)
@given(st.lists(st.sampled_from([0, 0, 1, 2, 3]), min_size=2, max_size=24), st.data())
def test_measures_and_spans_do_not_see_seams(order: list[int], data: st.DataObject) -> None:
    pictures = [scene(1), scene(2), BLACK, cv2.GaussianBlur(scene(3), (0, 0), 4)]
    images = [pictures[i] for i in order]
    cuts = data.draw(st.sets(st.integers(1, len(order) - 1), max_size=4))
    whole, split = judged(images), judged(images, sorted(cuts))
    assert whole.payload == split.payload
    assert all(np.array_equal(whole[name], split[name]) for name in QUALITY.arrays)
