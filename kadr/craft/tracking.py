"""Linking detections of successive frames into tracks, by place, class and look.

Association in two stages after Zhang et al. 2022 (ByteTrack): sure detections first, then unsure ones, which may carry a track
on but never begin one. At two frames a second a filter of motion has little to hold on to: a track is looked for where it was
and where it would be by its last step, with buffered boxes (Yang et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from kadr.craft.boxes import buffered, iou
from kadr.craft.looks import likeness
from kadr.craft.spans import Span, extent

GAP_MS = 1500
"""A track may be unseen for this long."""
BUFFER = 0.3
MIN_SURE = 0.2
MIN_UNSURE = 0.5
"""Least IoU of a track and a sure detection (buffered), and of a track and an unsure one (plain)."""
MIN_LIKENESS = 0.82
"""Two boxes whose looks are less alike show different things. Measured half a second apart: the same thing, on the sample reel
and on footage of traffic and faces, 0.87 and more; another thing in the same place 0.75 and less."""


@dataclass(frozen=True)
class Detections:
    """In order of time. ``t_ms`` int64 [D], ``boxes`` float32 [D, 4], ``scores`` float32 [D], ``labels`` int32 [D],
    ``looks`` uint8 [D, 256] (see ``looks``)."""

    t_ms: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    looks: np.ndarray


@dataclass(frozen=True)
class Tracks:
    """``of_detection`` int32 [D], -1 where a detection belongs to none; the others [T], in order of beginning.

    A track lasts from half a step before its first frame to half a step after its last; its score is its detections' mean.
    """

    of_detection: np.ndarray
    labels: np.ndarray
    start_ms: np.ndarray
    end_ms: np.ndarray
    scores: np.ndarray


@dataclass(eq=False)
class _Open:
    """A track that may go on: its detections, and how its box moved in its last step (pixels a ms)."""

    members: list[int]
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(4))

    @property
    def last(self) -> int:
        return self.members[-1]


def summarised(found: Detections, groups: Sequence[list[int]], step_ms: int, bounds_ms: Span) -> Tracks:
    """``groups`` of indices into ``found``, one a track, as tracks."""
    of_detection = np.full(len(found.t_ms), -1, dtype=np.int32)
    for number, members in enumerate(groups):
        of_detection[members] = number
    lasts = [extent(int(found.t_ms[g[0]]), int(found.t_ms[g[-1]]), step_ms, bounds_ms) for g in groups]
    return Tracks(
        of_detection=of_detection,
        labels=np.array([found.labels[g[0]] for g in groups], dtype=np.int32),
        start_ms=np.array([start for start, _ in lasts], dtype=np.int64),
        end_ms=np.array([end for _, end in lasts], dtype=np.int64),
        scores=np.array([found.scores[g].mean() for g in groups], dtype=np.float32),
    )


def linked(found: Detections, threshold: float, step_ms: int) -> list[list[int]]:
    """Groups of indices into ``found``, one a track, in the order in which the tracks begin. A pure function of its arguments.

    Detections with a score of ``threshold`` or more are sure; an unsure one that carries no track on is in no group.
    """
    tracks: list[_Open] = []
    going: list[_Open] = []
    times, starts = np.unique(found.t_ms, return_index=True)
    for t_ms, now in zip(times, np.split(np.arange(len(found.t_ms)), starts[1:]), strict=False):
        going = [o for o in going if t_ms - found.t_ms[o.last] <= max(GAP_MS, step_ms)]
        is_sure = found.scores[now] >= threshold
        sure, unsure = now[is_sure], now[~is_sure]
        left, taken = _advanced(found, going, sure, BUFFER, MIN_SURE)
        _advanced(found, left, unsure, 0.0, MIN_UNSURE)
        opened = [_Open([int(i)]) for i in sure if int(i) not in taken]
        going, tracks = going + opened, tracks + opened
    return [o.members for o in tracks]


def _advanced(
    found: Detections, going: list[_Open], now: np.ndarray, buffer: float, least: float
) -> tuple[list[_Open], set[int]]:
    """Give tracks the detections that fit them best in sum (Kuhn 1955): (tracks that got none, detections given)."""
    if not going or not len(now):
        return going, set()
    affinity = _affinity(found, going, now, buffer)
    affinity[affinity < least] = 0.0
    rows, columns = linear_sum_assignment(affinity, maximize=True)
    pairs = {int(r): int(now[c]) for r, c in zip(rows, columns, strict=True) if affinity[r, c] > 0}
    for row, index in pairs.items():
        before = going[row].last
        elapsed = int(found.t_ms[index] - found.t_ms[before])
        going[row].velocity = (found.boxes[index] - found.boxes[before]).astype(np.float64) / elapsed
        going[row].members.append(index)
    return [o for row, o in enumerate(going) if row not in pairs], set(pairs.values())


def _affinity(found: Detections, going: list[_Open], now: np.ndarray, buffer: float) -> np.ndarray:
    """IoU of tracks and detections, where the track was or where it would have gone; 0 for another class or look."""
    last = np.array([o.last for o in going])
    elapsed = (found.t_ms[now[0]] - found.t_ms[last])[:, None]
    stays = found.boxes[last].astype(np.float64)
    moves = stays + elapsed * np.stack([o.velocity for o in going])
    here = buffered(found.boxes[now].astype(np.float64), buffer)
    overlap = np.maximum(iou(buffered(stays, buffer), here), iou(buffered(moves, buffer), here))
    alike = likeness(found.looks[last], found.looks[now]) >= MIN_LIKENESS
    return np.asarray(np.where(alike & (found.labels[last][:, None] == found.labels[now]), overlap, 0.0))
