"""Scenes: runs of shots that look back and forth at the same things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LOOK_AHEAD = 8
LOOK_AHEAD_MS = 60_000
SIMILAR = 0.7


def scene_of_shots(histograms: Sequence[Array], starts_ms: Sequence[int]) -> list[int]:
    """Number of the scene that each shot belongs to, rising from 0.

    Overlapping links (A. Hanjalic, R. L. Lagendijk, J. Biemond, "Automated high-level movie segmentation for advanced
    video-retrieval systems", IEEE TCSVT 9, 1999): a shot is linked to the furthest similar one among the next LOOK_AHEAD within
    LOOK_AHEAD_MS, and all shots that links span are one scene. Similar: intersection of HSV histograms of at least SIMILAR.
    """
    scenes: list[int] = []
    number, reach = -1, -1
    for i in range(len(histograms)):
        if i > reach:
            number += 1
        scenes.append(number)
        reach = max(reach, i, _furthest_similar(histograms, starts_ms, i))
    return scenes


def _furthest_similar(histograms: Sequence[Array], starts_ms: Sequence[int], i: int) -> int:
    ahead = range(min(len(histograms) - 1, i + LOOK_AHEAD), i, -1)
    near = (k for k in ahead if starts_ms[k] - starts_ms[i] <= LOOK_AHEAD_MS)
    return next((k for k in near if np.minimum(histograms[i], histograms[k]).sum() >= SIMILAR), i)
