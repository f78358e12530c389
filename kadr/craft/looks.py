"""What a box shows, in a few bytes: enough to tell that a cut put another thing in the same place."""

from __future__ import annotations

import numpy as np

LENGTH = 256
"""Four quarters of a box, each with 64 colours: 4 levels a channel."""


def look(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Colours of the quarters of a box (x1, y1, x2, y2 in pixels of an RGB picture): uint8 [256], roots of their shares × 255.

    The product of two such vectors is the Bhattacharyya coefficient of their histograms. Hue alone would mistake one person in
    a dark jacket for another; quarters also say where in the box a colour is.
    """
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(box[:2]), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), (left + 1, top + 1), (width, height)).astype(int)
    level = image[top:bottom, left:right].astype(np.int64) >> 6
    quarter = np.add.outer(2 * _half(bottom - top), _half(right - left))
    cells = quarter * 64 + level[..., 0] * 16 + level[..., 1] * 4 + level[..., 2]
    shares = np.bincount(cells.ravel(), minlength=LENGTH) / cells.size
    return np.asarray(np.round(np.sqrt(shares) * 255), dtype=np.uint8)


def _half(length: int) -> np.ndarray:
    """0 for the first half of ``length`` pixels, 1 for the second."""
    return np.asarray(np.arange(length) * 2 // length)


def looks(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The look of each of ``boxes`` ([N, 4], pixels of the picture): uint8 [N, 256]."""
    return np.array([look(image, box) for box in boxes], dtype=np.uint8).reshape(-1, LENGTH)


def likeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarity of looks, uint8 [A, L] × [B, L] → float64 [A, B] in 0–1 (1: the same colours in the same shares)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return np.asarray(a @ b.T / np.maximum(lengths, 1e-9))
