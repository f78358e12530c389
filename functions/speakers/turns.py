"""Turns: which speaker each window is, smoothed by Viterbi's algorithm, and from windows to spans and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from functions.speakers.embedding import Windows

SWITCH = 0.2
SWITCH_AT_PAUSE = 0.075
"""What a change of speaker costs, in cosine: one or two windows' worth of the usual difference, less where voice pauses."""


@dataclass(frozen=True)
class Turn:
    """``score``: mean cosine of the turn's windows with its speaker."""

    start_ms: int
    end_ms: int
    speaker: int
    score: float


def assign(windows: Windows, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(speaker, cosine) of each window: int64 [N], float64 [N]; ``means`` are unit vectors [K, D]."""
    likeness = windows.embedding.astype(np.float64) @ means.T
    paused = np.diff(windows.segment, prepend=windows.segment[:1]) > 0
    best = _viterbi(likeness, np.where(paused, SWITCH_AT_PAUSE, SWITCH))
    return best, likeness[np.arange(len(best)), best]


def _viterbi(likeness: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """The path through [N, K] of the greatest sum, where entering row i on another column costs ``cost[i]``."""
    came_from = np.zeros(likeness.shape, dtype=np.int64)
    total = likeness[0].copy()
    stay = np.arange(likeness.shape[1])
    for i in range(1, len(likeness)):
        leader = int(np.argmax(total))
        switched = total[leader] - cost[i] > total
        came_from[i] = np.where(switched, leader, stay)
        total = np.where(switched, total[leader] - cost[i], total) + likeness[i]
    path = np.zeros(len(likeness), dtype=np.int64)
    path[-1] = int(np.argmax(total))
    for i in range(len(likeness) - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path


def turns(
    segments: Sequence[tuple[int, int]], windows: Windows, speaker: np.ndarray, score: np.ndarray, gap_ms: int
) -> list[Turn]:
    """All voice as turns in time order; those of one speaker join across pauses of at most ``gap_ms``."""
    joined: list[Turn] = []
    sizes: list[int] = []
    for turn in _pieces(segments, windows, speaker, score):
        last = joined[-1] if joined else None
        if last and last.speaker == turn.speaker and turn.start_ms - last.end_ms <= gap_ms:
            weight = sizes[-1] + turn.end_ms - turn.start_ms
            mean = (last.score * sizes[-1] + turn.score * (turn.end_ms - turn.start_ms)) / weight
            joined[-1], sizes[-1] = replace(last, end_ms=turn.end_ms, score=mean), weight
        else:
            joined.append(turn)
            sizes.append(turn.end_ms - turn.start_ms)
    return joined


def _pieces(
    segments: Sequence[tuple[int, int]], windows: Windows, speaker: np.ndarray, score: np.ndarray
) -> list[Turn]:
    """Each window's share of its segment, up to half way to its neighbours; a segment without windows takes the nearest's."""
    found = []
    centre = windows.centre_ms
    for i, (start, end) in enumerate(segments):
        inside = np.flatnonzero(windows.segment == i)
        if not len(inside):
            inside = np.array([int(np.argmin(np.abs(centre - (start + end) // 2)))])
        edges = [start, *((centre[inside][:-1] + centre[inside][1:]) // 2).tolist(), end]
        found += [
            Turn(edges[j], edges[j + 1], int(speaker[k]), float(score[k]))
            for j, k in enumerate(inside.tolist())
        ]
    return found


def word_speakers(start_ms: np.ndarray, end_ms: np.ndarray, found: Sequence[Turn]) -> np.ndarray:
    """The speaker of the turn that each word overlaps most, -1 for none: int32 [W]."""
    begins = np.array([turn.start_ms for turn in found], dtype=np.int64)
    ends = np.array([turn.end_ms for turn in found], dtype=np.int64)
    speaker = np.full(len(start_ms), -1, dtype=np.int32)
    for i, (start, end) in enumerate(zip(start_ms.tolist(), end_ms.tolist(), strict=True)):
        first, last = np.searchsorted(ends, start, side="right"), np.searchsorted(begins, end, side="left")
        if first < last:
            shared = np.minimum(ends[first:last], end) - np.maximum(begins[first:last], start)
            speaker[i] = found[int(first + np.argmax(shared))].speaker
    return speaker
