"""Linking detections of successive frames into tracks, by place, class and look.

Association in two stages after Zhang et al. 2022 (ByteTrack): sure detections first, then unsure ones, which may carry a track
on but never begin one. At two frames a second a filter of motion has little to hold on to: a track is looked for where it was
and where its last steps would have brought it, with buffered boxes (Yang et al. 2023). Where things overlap, place alone would
exchange them: looks decide (Aharon et al. 2022, BoT-SORT), compared with all that the track showed of late (Wojke et al. 2017,
DeepSORT), since what is half hidden looks like what hides it.
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
STEPS = 3
"""A track's velocity is its mean over this many detections (Δt of Cao et al. 2023, OC-SORT): one step is mostly the box's jitter."""
GALLERY = 10
"""So many of a track's last looks are remembered; a detection is compared with the most alike. DeepSORT remembers 100 at 30 frames
a second; 30 and 100 were measured here too, and gave the same for up to three times the work."""
NEAR_IOU, MAX_UNLIKE = 0.5, 0.25
"""Where a track and a detection overlap and look alike at least so much, looks weigh more than place (BoT-SORT's thresholds)."""
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

    A track lasts from its first frame to half a step after its last; its score is its detections' mean.
    """

    of_detection: np.ndarray
    labels: np.ndarray
    start_ms: np.ndarray
    end_ms: np.ndarray
    scores: np.ndarray


@dataclass(eq=False)
class _Open:
    """A track that may go on: its detections, and how its box moved in its last steps (pixels a ms)."""

    members: list[int]
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(4))

    @property
    def last(self) -> int:
        return self.members[-1]

    def extend(self, found: Detections, index: int) -> None:
        before = self.members[-STEPS:][0]
        elapsed = int(found.t_ms[index] - found.t_ms[before])
        self.velocity = (found.boxes[index] - found.boxes[before]).astype(np.float64) / elapsed
        self.members.append(index)

    def likeness(self, found: Detections, now: np.ndarray) -> np.ndarray:
        """Of each detection of ``now`` to the most alike of the track's last looks: float64 [N]."""
        return np.asarray(likeness(found.looks[self.members[-GALLERY:]], found.looks[now]).max(axis=0))


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
        going[row].extend(found, index)
    return [o for row, o in enumerate(going) if row not in pairs], set(pairs.values())


def _affinity(found: Detections, going: list[_Open], now: np.ndarray, buffer: float) -> np.ndarray:
    """How well tracks and detections fit, in 0–1; 0 for another class or look.

    IoU, where the track was or where it would have gone; nearer to 1, by half of what they look unlike, where they overlap.
    """
    last = np.array([o.last for o in going])
    elapsed = (found.t_ms[now[0]] - found.t_ms[last])[:, None]
    stays, here = found.boxes[last].astype(np.float64), found.boxes[now].astype(np.float64)
    moves = stays + elapsed * np.stack([o.velocity for o in going])
    near, overlap = (
        np.maximum(iou(buffered(stays, by), buffered(here, by)), iou(buffered(moves, by), buffered(here, by)))
        for by in (0.0, buffer)
    )
    unlike = 1 - np.stack([o.likeness(found, now) for o in going])
    told = (near >= NEAR_IOU) & (unlike < MAX_UNLIKE)
    fits = np.where(told, np.maximum(overlap, 1 - unlike / 2), overlap)
    alike = (unlike <= 1 - MIN_LIKENESS) & (found.labels[last][:, None] == found.labels[now])
    return np.asarray(np.where(alike, fits, 0.0))
