"""Has the text on screen changed? A cheap comparison of edges decides which frames are worth reading."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse.csgraph import connected_components

from functions.ocr.boxes import Region, box_iou

WINDOW = 8
"""Side in pixels of the sampled frame over which change is averaged: about one character of small text."""
NOISE = 12
"""Grey levels of edge change that video compression alone makes between two frames of a still picture."""

MARGIN = 64
"""Pixels around a change that are looked at as well: the detector judges a line by what surrounds it."""
MOSTLY = 0.8
"""Regions with more than this share of the picture are taken to be all of it."""

_NEIGHBOURS = np.ones((3, 3), dtype=np.uint8)
_AROUND = np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), dtype=np.uint8)


def edges(image: np.ndarray) -> np.ndarray:
    """Morphological gradient (dilation minus erosion, 3×3) of an RGB picture: uint8 [H, W].

    Strokes of text are edges; slow changes of light, which do not touch text, are not.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, _NEIGHBOURS))


def edge_change(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Difference of two edge pictures beyond noise, averaged around each pixel: float32 [H, W], in grey levels."""
    beyond = np.maximum(cv2.absdiff(before, now).astype(np.float32) - NOISE, 0)
    return np.asarray(cv2.blur(beyond, (WINDOW, WINDOW)))


def change_at(change: np.ndarray, box: np.ndarray) -> float:
    """Largest change inside an upright box (float [4], pixels of the frame)."""
    left, top = np.maximum(np.floor(box[:2]), 0).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int) + 1
    return float(change[top:bottom, left:right].max(initial=0.0))


def regions_to_read(
    change: np.ndarray, outline: np.ndarray, threshold: float, boxes: np.ndarray
) -> list[Region]:
    """Where text may have come, changed or gone, with a margin: no region overlaps another or cuts one of ``boxes``.

    ``change``: see ``edge_change``; ``outline``: the edges now; ``boxes``, float [N, 4]: where text was. What changed to a place
    without edges holds no text, so only text that was there is looked for again.
    """
    height, width = change.shape
    fresh = (change > threshold) & (edge_change(np.zeros_like(outline), outline) > threshold)
    _, _, found, _ = cv2.connectedComponentsWithStats(cv2.dilate(fresh.astype(np.uint8), _AROUND))
    islands = np.concatenate([found[1:, :2], found[1:, :2] + found[1:, 2:4]], axis=1)
    stirred = [change_at(change, box) > threshold for box in boxes]
    parts, wanted = _apart(np.vstack([islands, boxes]), np.array([True] * len(islands) + stirred, dtype=bool))
    low, high = (
        np.floor(np.maximum(parts[wanted, :2], 0)),
        np.ceil(np.minimum(parts[wanted, 2:], (width, height))),
    )
    if np.prod(high - low, axis=1).sum() > MOSTLY * height * width:
        return [(0, 0, width, height)]
    return [(x1, y1, x2, y2) for x1, y1, x2, y2 in np.concatenate([low, high], axis=1).astype(int).tolist()]


def _apart(parts: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes that overlap become one around them, until none do; one is wanted if any of its own is."""
    while True:
        count, of = connected_components(box_iou(parts, parts) > 0, directed=False)
        if count == len(parts):
            return parts, wanted
        groups = [np.flatnonzero(of == i) for i in range(count)]
        parts = np.array([[*parts[g, :2].min(axis=0), *parts[g, 2:].max(axis=0)] for g in groups])
        wanted = np.array([wanted[g].any() for g in groups])
