"""From detections of the whole video to object tracks: linked, weighed, and one thing at one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kadr.craft.boxes import iou
from kadr.craft.tracking import Detections

SAME_IOU = 0.7
"""Two tracks of different classes that overlap this much on average are two readings of one thing."""


@dataclass(frozen=True)
class Evidence:
    """What a track needs to count: its best score is ``peak``, or, when seen in one frame only, ``lone_peak``."""

    peak: float
    lone_peak: float


def believed(found: Detections, groups: Sequence[list[int]], needed: Evidence) -> list[list[int]]:
    """The groups with enough evidence, without the weaker reading of a thing that was read as two classes."""
    strong = [g for g in groups if found.scores[g].max() >= (needed.peak if len(g) > 1 else needed.lone_peak)]
    weight = [float(found.scores[g].sum()) for g in strong]
    kept: list[list[int]] = []
    for i in sorted(range(len(strong)), key=lambda i: (-weight[i], strong[i])):
        if not any(_same_thing(found, strong[i], other) for other in kept):
            kept.append(strong[i])
    return sorted(kept, key=lambda g: (int(found.t_ms[g[0]]), int(found.labels[g[0]]), g[0]))


def _same_thing(found: Detections, weaker: list[int], stronger: list[int]) -> bool:
    """Does ``stronger`` cover ``weaker`` in at least half of its frames, with another class?"""
    if found.labels[weaker[0]] == found.labels[stronger[0]]:
        return False
    at = {int(found.t_ms[i]): i for i in stronger}
    shared = [(i, at[int(found.t_ms[i])]) for i in weaker if int(found.t_ms[i]) in at]
    if len(shared) * 2 < len(weaker):
        return False
    overlap = [float(iou(found.boxes[[a]], found.boxes[[b]])[0, 0]) for a, b in shared]
    return float(np.mean(overlap)) >= SAME_IOU
