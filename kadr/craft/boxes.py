"""Upright boxes x1, y1, x2, y2 in pixels."""

from __future__ import annotations

import cv2
import numpy as np


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union, [A, 4] × [B, 4] → [A, B]."""
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    union = area(a)[:, None] + area(b) - common
    return np.asarray(common / np.maximum(union, 1e-9))


def area(boxes: np.ndarray) -> np.ndarray:
    """Areas of [N, 4] boxes, [N]; none is negative."""
    return np.asarray(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=-1))


def buffered(boxes: np.ndarray, ratio: float) -> np.ndarray:
    """[N, 4] boxes, larger by ``ratio`` of their size on every side: their IoU tells near from far where plain IoU is 0.

    Yang et al. 2023, "Hard to Track Objects with Irregular Motions and Similar Appearances?".
    """
    margin = (boxes[:, 2:] - boxes[:, :2]) * ratio
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def suppressed(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, limit: float) -> np.ndarray:
    """Indices that class-wise greedy non-maximum suppression at IoU ``limit`` keeps, best score first: int64 [K]."""
    if not len(boxes):
        return np.zeros(0, dtype=np.int64)
    # OpenCV tells classes apart by moving each by the largest coordinate: boxes that begin below 0 would meet the next class.
    origin = np.maximum(boxes[:, :2] - boxes[:, :2].min(axis=0), 0)
    sides = np.concatenate([origin, boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
    kept = cv2.dnn.NMSBoxesBatched(sides.tolist(), scores.tolist(), labels.tolist(), 0.0, limit)
    return np.asarray(kept, dtype=np.int64).reshape(-1)


def clipped(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """[N, 4] boxes cut to the picture."""
    return np.asarray(np.clip(boxes, 0, [width, height, width, height]))
