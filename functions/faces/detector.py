"""BlazeFace, back camera (Bazarevsky et al. 2019): pictures in, face boxes and six points out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from kadr.contracts.model import Model
from kadr.craft.boxes import area, clipped, suppressed
from kadr.craft.pictures import Placement, fit, tensor

LEVELS = ((16, 2), (32, 6))
"""Stride and anchors a cell of the model's two levels."""
MAX_IOU = 0.3
"""Of two boxes that overlap more, the less sure one goes: faces rarely do (Bazarevsky et al. use 0.3)."""
POINTS = 6
"""Right eye, left eye, nose, mouth, right ear, left ear, as the face's owner calls them."""


@dataclass(frozen=True)
class Found:
    """One picture's faces, best first, in its pixels: ``boxes`` float64 [D, 4], ``points`` float64 [D, 6, 2], ``scores`` [D]."""

    boxes: np.ndarray
    points: np.ndarray
    scores: np.ndarray


class Detector:
    """Finds faces. ``min_score``: the least score that is reported."""

    def __init__(self, model: Model, min_score: float) -> None:
        self._model = model
        self._min_score = min_score
        self._how = model.card.preprocessing
        self._side = self._how.width or 256
        self._anchors = np.concatenate([_anchors(self._side // stride, stride, n) for stride, n in LEVELS])

    def __call__(self, images: Sequence[np.ndarray]) -> list[Found]:
        """The faces of each RGB picture (uint8 [H, W, 3]); one call of the model for all."""
        fitted = [fit(image, self._side, self._side, "letterbox") for image in images]
        pixels = tensor([square for square, _ in fitted], self._how)
        made = self._model.run({self._model.card.inputs[0].name: pixels})
        logits, values = (
            np.concatenate([made[o.name] for o in outputs], axis=1)
            for outputs in (self._model.card.outputs[:2], self._model.card.outputs[2:])
        )
        return [
            self._decoded(expit(logits[i, :, 0]), values[i], placed, image)
            for i, (image, (_, placed)) in enumerate(zip(images, fitted, strict=True))
        ]

    def _decoded(self, scores: np.ndarray, values: np.ndarray, placed: Placement, image: np.ndarray) -> Found:
        """From scores [A] and values [A, 16]: centre, size and points in pixels of the square, around each anchor."""
        likely = np.flatnonzero(scores >= self._min_score)
        at, values, scores = self._anchors[likely], values[likely], scores[likely]
        middle, half = at + values[:, :2], values[:, 2:4] / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1)
        points = values[:, 4:] + np.tile(at, POINTS)
        kept = suppressed(boxes, scores, np.zeros(len(boxes), dtype=np.int64), MAX_IOU)
        boxes = clipped(placed.back(boxes[kept]), image.shape[1], image.shape[0])
        seen = area(boxes) > 0
        return Found(boxes[seen], placed.back(points[kept]).reshape(-1, POINTS, 2)[seen], scores[kept][seen])


def _anchors(count: int, stride: int, repeats: int) -> np.ndarray:
    """Centres (x, y) of a square grid of ``count``² cells, row by row, each ``repeats`` times: float32 [count² · repeats, 2]."""
    at = (np.arange(count, dtype=np.float32) + 0.5) * stride
    return np.repeat(np.stack([np.tile(at, count), np.repeat(at, count)], axis=1), repeats, axis=0)
