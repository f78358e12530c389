"""Has the text on screen changed? A cheap comparison of edges decides which frames are worth reading."""

from __future__ import annotations

import cv2
import numpy as np

WINDOW = 8
"""Side in pixels of the sampled frame over which change is averaged: about one character of small text."""
NOISE = 12
"""Grey levels of edge change that video compression alone makes between two frames of a still picture."""

_NEIGHBOURS = np.ones((3, 3), dtype=np.uint8)


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


def change_at(change: np.ndarray, quad: np.ndarray) -> float:
    """Largest change inside the upright box around a quad (float [4, 2], pixels of the frame)."""
    left, top = np.maximum(np.floor(quad.min(axis=0)), 0).astype(int)
    right, bottom = np.ceil(quad.max(axis=0)).astype(int) + 1
    return float(change[top:bottom, left:right].max(initial=0.0))
