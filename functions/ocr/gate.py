"""Has the text on screen changed? A cheap comparison of edges decides which frames are worth reading."""

from __future__ import annotations

import cv2
import numpy as np

from functions.ocr.boxes import Region, touching

WINDOW = 8
"""Side in pixels of the sampled frame over which change is averaged: about one character of small text."""
NOISE = 12
"""Grey levels of edge change that video compression alone makes between two frames of a still picture."""

MARGIN = 64
"""Pixels around a change that are looked at as well: the detector judges a line by what surrounds it."""
MOSTLY = 0.6
"""A changed region with more than this share of the picture is taken to be all of it."""

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


def changed_region(change: np.ndarray, threshold: float, boxes: np.ndarray) -> Region:
    """The region where ``change`` exceeds ``threshold``, with a margin and without cutting any of ``boxes`` (float [N, 4]).

    Something must have changed.
    """
    height, width = change.shape
    rows, columns = (np.flatnonzero(change.max(axis=axis) > threshold) for axis in (1, 0))
    grown = np.array([columns[0] - MARGIN, rows[0] - MARGIN, columns[-1] + 1 + MARGIN, rows[-1] + 1 + MARGIN])
    region = np.zeros(4)
    while not np.array_equal(grown, region):
        region = grown
        near = np.vstack([boxes[touching(boxes, region)], region])
        grown = np.concatenate([near[:, :2].min(axis=0), near[:, 2:].max(axis=0)])
    left, top = np.maximum(np.floor(region[:2]), 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(region[2:]), (width, height)).astype(int).tolist()
    if (right - left) * (bottom - top) > MOSTLY * height * width:
        return 0, 0, width, height
    return left, top, right, bottom
