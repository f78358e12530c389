"""What a box shows, in a few bytes: enough to tell that a cut put another thing in the same place."""

from __future__ import annotations

import numpy as np

LENGTH = 64


def look(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Colours of a box (x1, y1, x2, y2 in pixels of an RGB picture): roots of their histogram's shares, 4 levels a channel, × 255.

    uint8 [64]. The product of two such vectors is the histograms' Bhattacharyya coefficient.
    """
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(box[:2]), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), (left + 1, top + 1), (width, height)).astype(int)
    level = image[top:bottom, left:right] >> 6
    counts = np.bincount((level[..., 0] * 16 + level[..., 1] * 4 + level[..., 2]).ravel(), minlength=LENGTH)
    return np.asarray(np.round(np.sqrt(counts / counts.sum()) * 255), dtype=np.uint8)


def looks(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The look of each of ``boxes`` ([N, 4], pixels of the picture): uint8 [N, 64]."""
    return np.array([look(image, box) for box in boxes], dtype=np.uint8).reshape(-1, LENGTH)


def likeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarity of looks, uint8 [A, L] × [B, L] → float64 [A, B] in 0–1 (1: the same colours in the same shares)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return np.asarray(a @ b.T / np.maximum(lengths, 1e-9))
