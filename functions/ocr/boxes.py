"""Geometry of text lines: quads, upright boxes and regions, all in pixels."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components

MAX_SLOPE, MAX_UNLIKE = 0.1, 0.5
"""What still counts as level, and as of one row: EasyOCR's defaults (slope_ths; ycenter_ths and height_ths)."""
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


def joined(quads: np.ndarray) -> np.ndarray:
    """Quads of lines, [N, 4, 2] → [M, 4, 2]: level ones that overlap side by side are pieces of one line, and become one.

    Large letters stand so far apart that a detector takes words for lines.
    """
    boxes = bounds(quads)
    wide, high = (boxes[:, 2:] - boxes[:, :2]).T
    middle = boxes[:, 1::2].mean(axis=1)
    level = (np.abs(quads[:, 1, 1] - quads[:, 0, 1]) <= MAX_SLOPE * wide) & (wide > high)
    row = np.abs(np.subtract.outer(middle, middle)) < MAX_UNLIKE * np.minimum.outer(high, high)
    row &= np.abs(np.subtract.outer(high, high)) < MAX_UNLIKE * np.maximum.outer(high, high)
    count, line = connected_components(
        row & np.logical_and.outer(level, level) & (box_iou(boxes, boxes) > 0), directed=False
    )
    made = []
    for pieces in (np.flatnonzero(line == i) for i in range(count)):
        left, top = boxes[pieces, :2].min(axis=0)
        right, bottom = boxes[pieces, 2:].max(axis=0)
        around = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float32)
        made.append(around if len(pieces) > 1 else quads[pieces[0]])
    return np.array(made, dtype=np.float32).reshape(-1, 4, 2)
