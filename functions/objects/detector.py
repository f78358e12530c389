"""NanoDet: pictures in, boxes out. Its sides are distributions (Generalized Focal Loss: Li et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from kadr.contracts.model import Model
from kadr.craft.boxes import area, clipped, suppressed
from kadr.craft.pictures import Placement, fit, tensor

STRIDES = (8, 16, 32)
BINS = 11
"""A side's distance from its cell's centre is a distribution over 0..10 strides."""
MAX_IOU = 0.5
"""Of two boxes of one class that overlap more, the less sure one goes (the model's own post-processing)."""


@dataclass(frozen=True)
class Found:
    """One picture's detections, best first. ``boxes`` float64 [D, 4] in its pixels, ``scores``, ``labels`` [D]."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


class Detector:
    """Finds objects of the model's classes. ``min_score``: the least score that is reported."""

    def __init__(self, model: Model, min_score: float) -> None:
        self._model = model
        self._min_score = min_score
        self._how = model.card.preprocessing
        self._side = self._how.width or 416
        self._cells = [_cells(self._side // stride, stride) for stride in STRIDES]

    def __call__(self, images: Sequence[np.ndarray]) -> list[Found]:
        """The detections of each RGB picture (uint8 [H, W, 3]); one call of the model for all."""
        fitted = [fit(image, self._side, self._side, "letterbox") for image in images]
        pixels = tensor([square for square, _ in fitted], self._how)
        made = self._model.run({self._model.card.inputs[0].name: pixels})
        outputs = [made[output.name] for output in self._model.card.outputs]
        return [
            self._decoded([o[i] for o in outputs], placed, image)
            for i, (image, (_, placed)) in enumerate(zip(images, fitted, strict=True))
        ]

    def _decoded(self, outputs: list[np.ndarray], placed: Placement, image: np.ndarray) -> Found:
        levels = zip(outputs[:3], outputs[3:], self._cells, STRIDES, strict=True)
        parts = [
            _level(scores, bins, cells, stride, self._min_score) for scores, bins, cells, stride in levels
        ]
        boxes, scores, labels = (np.concatenate([part[i] for part in parts]) for i in range(3))
        kept = suppressed(boxes, scores, labels, MAX_IOU)
        boxes = clipped(placed.back(boxes[kept]), image.shape[1], image.shape[0])
        seen = area(boxes) > 0
        return Found(boxes[seen], scores[kept][seen], labels[kept][seen])


def _level(
    scores: np.ndarray, bins: np.ndarray, cells: np.ndarray, stride: int, min_score: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One stride's scores [C, 80] and bins [C, 44] → boxes [D, 4] in pixels of the square, scores [D], labels [D]."""
    where, labels = np.nonzero(scores >= min_score)
    share = softmax(bins[where].reshape(len(where), 4, BINS), axis=-1)
    distance = share @ np.arange(BINS, dtype=np.float32) * stride
    centre = cells[where]
    boxes = np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1)
    return boxes, scores[where, labels], labels.astype(np.int32)


def _cells(count: int, stride: int) -> np.ndarray:
    """Centres (x, y) of a square grid of ``count``² cells, row by row: float32 [count², 2]."""
    at = (np.arange(count, dtype=np.float32) + 0.5) * stride
    return np.stack([np.tile(at, count), np.repeat(at, count)], axis=1)
