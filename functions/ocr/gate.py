"""Has the text on screen changed? A cheap comparison of edges decides which frames are worth reading."""

from __future__ import annotations

import cv2
import numpy as np

TILE = 16
"""Side of a comparison tile in pixels of the sampled frame: about one character of small text."""

_NEIGHBOURS = np.ones((3, 3), dtype=np.uint8)


def edges(image: np.ndarray) -> np.ndarray:
    """Morphological gradient (dilation minus erosion, 3×3) of an RGB picture: uint8 [H, W].

    Strokes of text are edges; slow changes of light, which do not touch text, are not.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, _NEIGHBOURS))


def tile_change(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Mean absolute difference of two edge pictures in each tile: float32 [⌈H/16⌉, ⌈W/16⌉], in grey levels."""
    difference = cv2.absdiff(before, now)
    bottom, right = -difference.shape[0] % TILE, -difference.shape[1] % TILE
    padded = np.pad(difference, ((0, bottom), (0, right)))
    size = (padded.shape[1] // TILE, padded.shape[0] // TILE)
    return np.asarray(cv2.resize(padded.astype(np.float32), size, interpolation=cv2.INTER_AREA))


def change_at(change: np.ndarray, quad: np.ndarray) -> float:
    """Largest change among the tiles that the quad (float [4, 2], pixels of the frame) touches."""
    left, top = np.maximum(np.floor(quad.min(axis=0) / TILE).astype(int), 0)
    right, bottom = np.floor(quad.max(axis=0) / TILE).astype(int) + 1
    return float(change[top:bottom, left:right].max(initial=0.0))
