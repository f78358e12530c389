"""Running EfficientNet-lite0 over a stream of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kadr.contracts.media import FrameStream
from kadr.contracts.model import Model

SIDE = 224
TOP = 5
EMBEDDING = 1280
_GREY = 127
"""What the network sees as zero: the bars beside a letterboxed picture."""


@dataclass(frozen=True)
class Seen:
    """``t_ms`` int64 [F]; ``top`` int32 [F, 5], best first; ``top_score`` float32 [F, 5]; ``embedding`` float16 [F, 1280]."""

    t_ms: np.ndarray
    top: np.ndarray
    top_score: np.ndarray
    embedding: np.ndarray


def look(frames: FrameStream, model: Model) -> Seen:
    """What the network makes of each frame. A repeated picture is looked at once."""
    times, shown = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=bool)]
    looked = [_nothing()]
    for batch in frames:
        fresh = ~batch.repeated
        fresh[:1] |= len(looked) == 1
        times.append(batch.t_ms)
        shown.append(fresh)
        looked += _looked(batch.images[fresh], model)
    picture = np.cumsum(np.concatenate(shown)) - 1
    top, score, embedding = (np.concatenate(part)[picture] for part in zip(*looked, strict=True))
    return Seen(np.concatenate(times), top, score, embedding)


def _looked(images: np.ndarray, model: Model) -> list[tuple[np.ndarray, ...]]:
    limit = model.card.batch.max
    return [_run(images[at : at + limit], model) for at in range(0, len(images), limit)]


def _run(images: Sequence[np.ndarray] | np.ndarray, model: Model) -> tuple[np.ndarray, ...]:
    pictures = np.stack([letterboxed(image) for image in images]).astype(np.float32)
    made = model.run({"x": ((pictures - _GREY) / 128).transpose(0, 3, 1, 2)})
    best = np.argsort(-made["prob"], axis=1, kind="stable")[:, :TOP]
    score = np.take_along_axis(made["prob"], best, axis=1)
    return best.astype(np.int32), score, made["emb"].astype(np.float16)


def _nothing() -> tuple[np.ndarray, ...]:
    empty = np.zeros((0, TOP), dtype=np.int32)
    return empty, empty.astype(np.float32), np.zeros((0, EMBEDDING), dtype=np.float16)


def letterboxed(image: np.ndarray) -> np.ndarray:
    """The whole ``image`` (uint8 [H, W, 3]) undistorted in the middle of a grey square, uint8 [224, 224, 3]."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shrunk = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    square = np.full((SIDE, SIDE, 3), _GREY, dtype=np.uint8)
    square[top : top + size[1], left : left + size[0]] = shrunk
    return square
