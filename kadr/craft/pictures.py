"""From sampled frames to a model's input: fitting, normalising, batching, and never looking at a picture twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np

from kadr.contracts.media import FrameStream
from kadr.contracts.model import ModelCard, Preprocessing

Fit = Literal["stretch", "letterbox", "crop"]
R = TypeVar("R")
BATCH = 4
"""Pictures a call, if the card allows them: on a CPU larger batches fall out of the caches and are slower by a tenth or more."""


@dataclass(frozen=True)
class Placement:
    """How a picture lies in a model's input: input = picture * scale + offset, each (x, y)."""

    scale: tuple[float, float]
    offset: tuple[float, float]

    def back(self, points: np.ndarray) -> np.ndarray:
        """Coordinates in the input, [..., 2k] as x, y, x, y …, as coordinates in the picture."""
        pairs = points.shape[-1] // 2
        return np.asarray((points - np.tile(self.offset, pairs)) / np.tile(self.scale, pairs))


def fit(
    image: np.ndarray, width: int, height: int, how: Fit, fill: Sequence[float] = (0.0, 0.0, 0.0)
) -> tuple[np.ndarray, Placement]:
    """``image`` (uint8 [H, W, 3]) as uint8 [height, width, 3].

    ``stretch`` ignores proportions, ``letterbox`` keeps all of the picture in the middle of ``fill``, ``crop`` keeps the
    largest middle part of the wanted proportions.
    """
    rows, columns = image.shape[:2]
    if how == "stretch":
        return _resized(image, width, height), Placement((width / columns, height / rows), (0.0, 0.0))
    ratios = (width / columns, height / rows)
    scale = min(ratios) if how == "letterbox" else max(ratios)
    inner = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    small = _resized(image, *inner)
    placement = Placement((inner[0] / columns, inner[1] / rows), (float(left), float(top)))
    if how == "crop":
        return small[-top : height - top, -left : width - left], placement
    right, bottom = width - inner[0] - left, height - inner[1] - top
    colour = [float(value) for value in fill]
    return cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour), placement


def tensor(images: Sequence[np.ndarray], how: Preprocessing) -> np.ndarray:
    """float32 batch in the card's colour order, layout and scale, from RGB pictures (uint8 [H, W, 3]) of its size."""
    levels = np.arange(256, dtype=np.float32)[:, None]
    table = ((levels - np.array(how.mean)) / np.array(how.std)).astype(np.float32)[None]
    ordered = [image[..., ::-1] if how.colour == "BGR" else image for image in images]
    batch = np.stack([cv2.LUT(np.ascontiguousarray(image), table) for image in ordered])
    return batch.transpose(0, 3, 1, 2) if how.layout == "NCHW" else batch


def each_picture(
    frames: FrameStream, card: ModelCard, work: Callable[[Sequence[np.ndarray]], Sequence[R]]
) -> Iterator[tuple[int, R]]:
    """(t_ms, result) of every frame, in order. ``work`` sees each distinct picture once, in batches that the card allows."""
    limit = min(card.batch.max, BATCH)
    known: list[R] = []
    for batch in frames:
        fresh = ~batch.repeated
        fresh[:1] |= not known
        new = list(batch.images[fresh])
        known = known[-1:] + [r for at in range(0, len(new), limit) for r in work(new[at : at + limit])]
        before = len(known) - len(new)
        for t_ms, seen in zip(batch.t_ms.tolist(), np.cumsum(fresh).tolist(), strict=True):
            yield t_ms, known[before + seen - 1]


def to_source(frames: FrameStream) -> np.ndarray:
    """float64 [2]: the factors that turn x and y of a sampled picture into pixels of the upright source picture."""
    wide, high = max(1, frames.width), max(1, frames.height)
    return np.array([frames.source_width / wide, frames.source_height / high])


def _resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    shrinks = width * height < image.shape[0] * image.shape[1]
    return np.asarray(
        cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    )
