"""Geometry of text lines: quads, upright boxes and regions, all in pixels."""

from __future__ import annotations

import numpy as np

Region = tuple[int, int, int, int]
"""left, top, right, bottom; right and bottom exclusive."""


def bounds(quads: np.ndarray) -> np.ndarray:
    """Upright boxes x1, y1, x2, y2 around quads: [N, 4, 2] → [N, 4]."""
    return np.concatenate([quads.min(axis=-2), quads.max(axis=-2)], axis=-1)


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of upright boxes, [..., A, 4] × [B, 4] → [..., A, B]."""
    a = a[..., :, None, :]
    inside = np.minimum(a[..., 2:], b[:, 2:]) - np.maximum(a[..., :2], b[:, :2])
    common = np.prod(np.maximum(inside, 0), axis=-1)
    area_a, area_b = np.prod(a[..., 2:] - a[..., :2], axis=-1), np.prod(b[:, 2:] - b[:, :2], axis=-1)
    return np.asarray(common / np.maximum(area_a + area_b - common, 1e-9))


def touching(boxes: np.ndarray, region: np.ndarray | Region) -> np.ndarray:
    """Which boxes (float [N, 4]) have a part in the region: bool [N]."""
    left, top, right, bottom = region
    return np.asarray(
        (boxes[:, 0] < right) & (boxes[:, 2] > left) & (boxes[:, 1] < bottom) & (boxes[:, 3] > top)
    )
