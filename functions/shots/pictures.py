"""The pictures a chunk hands to the merge: a sharp one for each piece of a shot, small ones for the storyboard, histograms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from functions.shots.decide import Transition
from kadr.contracts.media import ChunkSpan, FrameStream

Array = np.ndarray[Any, Any]

BINS = (8, 4, 4)
"""Bins of hue, saturation and value."""
STORY_LONG_SIDE, STORY_QUALITY = 160, 80
STORY_STEP_MS = 2000
STORIES = 200


@dataclass(frozen=True)
class Still:
    """A sampled picture: time, HSV histogram float32 [128] summing to 1, sharpness (variance of the Laplacian)."""

    t_ms: int
    histogram: Array
    sharpness: float


@dataclass(frozen=True)
class Stored:
    t_ms: int
    sharpness: float
    jpeg: bytes | memoryview


def survey(stills: FrameStream, chunk: ChunkSpan) -> tuple[list[Still], list[Stored]]:
    """One pass over the sampled pictures: measures of each, and the storyboard."""
    step = story_step_ms(chunk)
    found: list[Still] = []
    story: list[Stored] = []
    for batch in stills:
        for t, image in zip(batch.t_ms.tolist(), batch.images, strict=True):
            found.append(Still(t, _histogram(image), _sharpness(image)))
            if not story or t // step > story[-1].t_ms // step:
                story.append(Stored(t, 0.0, _thumbnail(image)))
    return found, story


def story_step_ms(chunk: ChunkSpan) -> int:
    """Every sampled picture, so that the merge may choose; of a long chunk only as many as the whole storyboard may have."""
    step = (chunk.end_ms - chunk.start_ms) // STORIES
    return step if step >= STORY_STEP_MS else 1


def key_pictures(
    frames: FrameStream,
    stills: FrameStream,
    found: Sequence[Still],
    cuts: Sequence[Transition],
    chunk: ChunkSpan,
) -> list[Stored]:
    """The sharpest sampled picture of each piece between cuts, outside transitions; of a piece too short to have one, a 48 × 27."""
    best: dict[int, Still] = {}
    tiny: dict[int, int] = {}
    for start, end in pairwise([chunk.start_ms, *_inside(cuts, chunk), chunk.end_ms]):
        inside = [s for s in found if start <= s.t_ms < end]
        clear = [s for s in inside if not in_transition(s.t_ms, cuts)] or inside
        if clear:
            chosen = max(clear, key=lambda s: (s.sharpness, -s.t_ms))
            best[chosen.t_ms] = chosen
        else:
            tiny[(start + end) // 2] = end
    kept = [Stored(t, best[t].sharpness, jpeg) for t, jpeg in stills.encoded() if t in best]
    return sorted([*kept, *_tiny(frames, tiny)], key=lambda s: s.t_ms)


def in_transition(t_ms: int, cuts: Sequence[Transition]) -> bool:
    return any(c.start_ms <= t_ms < c.end_ms for c in cuts)


def _inside(cuts: Sequence[Transition], chunk: ChunkSpan) -> list[int]:
    return [c.at_ms for c in cuts if chunk.start_ms < c.at_ms < chunk.end_ms]


def _tiny(frames: FrameStream, wanted: dict[int, int]) -> Iterator[Stored]:
    """The first frame at or after each wanted time and before its limit."""
    todo = sorted(wanted.items())
    for t, jpeg in frames.encoded() if todo else ():
        while todo and todo[0][1] <= t:
            todo.pop(0)
        if todo and todo[0][0] <= t:
            todo.pop(0)
            yield Stored(t, -1.0, jpeg)


def _histogram(image: Array) -> Array:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, list(BINS), [0, 180, 0, 256, 0, 256]).reshape(-1)
    return np.asarray(counts / max(1.0, float(counts.sum())), dtype=np.float32)


def _sharpness(image: Array) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def _thumbnail(image: Array) -> bytes:
    height, width = image.shape[:2]
    scale = min(1.0, STORY_LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, STORY_QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), options)[1].tobytes()
