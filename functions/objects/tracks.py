"""Which groups of linked detections are objects: enough evidence, and one thing at one place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kadr.craft.boxes import iou
from kadr.craft.tracking import Detections

SAME_IOU = 0.7
"""Two tracks of different classes that overlap this much on average are two readings of one thing."""
SHARED = 0.5
"""Share of the weaker track's detections that must have the other beside them."""


@dataclass(frozen=True)
class Evidence:
    """What a track needs to count: its best score is ``peak``, or, when seen in one frame only, ``lone_peak``.

    Seeing a thing often is not enough: what looks like a bird in one frame of a still picture does so in all.
    """

    peak: float
    lone_peak: float


def believed(found: Detections, groups: Sequence[list[int]], needed: Evidence) -> list[list[int]]:
    """The groups with enough evidence, without the weaker reading of a thing that was read as two classes."""
    strong = [g for g in groups if found.scores[g].max() >= (needed.peak if len(g) > 1 else needed.lone_peak)]
    beside = _overlaps(found, strong)
    weight = [float(found.scores[g].sum()) for g in strong]
    kept: set[int] = set()
    for i in sorted(range(len(strong)), key=lambda i: (-weight[i], strong[i])):
        if not any(_covered(len(strong[i]), overlaps) for j, overlaps in beside[i].items() if j in kept):
            kept.add(i)
    return sorted(
        (strong[i] for i in kept), key=lambda g: (int(found.t_ms[g[0]]), int(found.labels[g[0]]), g[0])
    )


def _covered(length: int, overlaps: Sequence[float]) -> bool:
    return len(overlaps) >= SHARED * length and float(np.mean(overlaps)) >= SAME_IOU


def _overlaps(found: Detections, groups: Sequence[list[int]]) -> Mapping[int, Mapping[int, Sequence[float]]]:
    """{group: {group of another class: IoU in each frame that both are in}}."""
    owner = np.full(len(found.t_ms), -1)
    for number, members in enumerate(groups):
        owner[members] = number
    owned = np.flatnonzero(owner >= 0)
    beside: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for here in np.split(owned, np.flatnonzero(np.diff(found.t_ms[owned])) + 1):
        common = iou(found.boxes[here].astype(np.float64), found.boxes[here].astype(np.float64))
        others = found.labels[here][:, None] != found.labels[here]
        for a, b in zip(*np.nonzero(others), strict=True):
            beside[int(owner[here[a]])][int(owner[here[b]])].append(float(common[a, b]))
    return beside
