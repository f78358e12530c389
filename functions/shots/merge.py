"""From the chunks' signals to shots, scenes, key frames, storyboard and motion of the whole video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from functions.shots.decide import Detector, Transition, transitions
from functions.shots.pictures import STORIES, STORY_STEP_MS, Still, Stored, in_transition
from functions.shots.scenes import scene_of_shots
from functions.shots.signals import Signals
from kadr.contracts.component import Part

Array = np.ndarray[Any, Any]

START = 0


@dataclass(frozen=True)
class Shot:
    """[start_ms, end_ms) and how it began: kind 0 (the video's or a gap's edge), 1 hard cut, 2 gradual."""

    start_ms: int
    end_ms: int
    kind: int
    score: float


def stitched(parts: Sequence[Part]) -> list[tuple[Signals, int, int]]:
    """(signals, start_ms, end_ms) of each run of chunks without gaps.

    Neighbours both saw the overlap after their seam; each frame is taken from the chunk that saw more around it, which
    for half the overlap is the earlier one. A chunk therefore decides on (start + overlap/2, end + overlap/2].
    """
    runs: list[list[Part]] = []
    for part in parts:
        if runs and runs[-1][-1].chunk.end_ms == part.chunk.start_ms:
            runs[-1].append(part)
        else:
            runs.append([part])
    return [(_joined(run), run[0].chunk.start_ms, run[-1].chunk.end_ms) for run in runs]


def _joined(run: Sequence[Part]) -> Signals:
    seams = [one.chunk.end_ms + one.chunk.overlap_ms // 2 for one, _ in pairwise(run)]
    last_ms = run[-1].chunk.end_ms - 1
    pieces = []
    for part, after, until in zip(run, [-1, *seams], [*seams, last_ms], strict=True):
        signals = Signals(*(part.artifact[f.name] for f in fields(Signals)))
        pieces.append(signals.where((signals.t_ms > after) & (signals.t_ms <= min(until, last_ms))))
    return Signals.joined(pieces)


def shots_of(signals: Signals, start_ms: int, end_ms: int, cuts: Sequence[Transition]) -> list[Shot]:
    """The shots of one run. It ends where the last frame's display ends, if that is before ``end_ms``."""
    if not len(signals):
        return []
    shown_ms = int(np.median(np.diff(signals.t_ms))) if len(signals) > 1 else end_ms - start_ms
    end_ms = min(end_ms, int(signals.t_ms[-1]) + max(1, shown_ms))
    bounds = [start_ms, *(c.at_ms for c in cuts), end_ms]
    kinds = [(START, 1.0), *((c.kind, c.score) for c in cuts)]
    return [Shot(a, b, *kind) for (a, b), kind in zip(pairwise(bounds), kinds, strict=True)]


def find_shots(
    parts: Sequence[Part], detector: Detector, threshold: float | None, min_shot_ms: int
) -> tuple[list[Shot], list[Transition], list[Signals]]:
    shots: list[Shot] = []
    cuts: list[Transition] = []
    runs = stitched(parts)
    for signals, start_ms, end_ms in runs:
        found = transitions(signals, detector, threshold, min_shot_ms)
        shots += shots_of(signals, start_ms, end_ms, found)
        cuts += found
    return shots, cuts, [signals for signals, _, _ in runs]


def scenes_of(shots: Sequence[Shot], cuts: Sequence[Transition], stills: Sequence[Still]) -> list[int]:
    """Number of each shot's scene. A shot looks like the mean histogram of its pictures outside transitions."""
    return scene_of_shots([_look(shot, cuts, stills) for shot in shots], [s.start_ms for s in shots])


def _look(shot: Shot, cuts: Sequence[Transition], stills: Sequence[Still]) -> Array:
    inside = [s for s in stills if shot.start_ms <= s.t_ms < shot.end_ms]
    clear = [s for s in inside if not in_transition(s.t_ms, cuts)] or inside
    if not clear:
        # An empty histogram is similar to nothing.
        return np.zeros_like(stills[0].histogram) if stills else np.zeros(1, dtype=np.float32)
    return np.asarray(np.mean([s.histogram for s in clear], axis=0))


def key_frames(shots: Sequence[Shot], cuts: Sequence[Transition], stored: Sequence[Stored]) -> list[Stored]:
    """The sharpest candidate of each shot outside transitions, else any of it, else the nearest in time."""
    return [_key_frame(shot, cuts, stored) for shot in shots] if stored else []


def _key_frame(shot: Shot, cuts: Sequence[Transition], stored: Sequence[Stored]) -> Stored:
    inside = [s for s in stored if shot.start_ms <= s.t_ms < shot.end_ms]
    clear = [s for s in inside if not in_transition(s.t_ms, cuts)] or inside
    middle = (shot.start_ms + shot.end_ms) // 2
    return (
        max(clear, key=lambda s: (s.sharpness, -s.t_ms))
        if clear
        else min(stored, key=lambda s: abs(s.t_ms - middle))
    )


def storyboard(stories: Iterable[Stored], duration_ms: int) -> list[Stored]:
    """One picture every max(2 s, duration / 200)."""
    step = max(STORY_STEP_MS, duration_ms // STORIES)
    kept: list[Stored] = []
    for story in stories:
        if not kept or story.t_ms // step > kept[-1].t_ms // step:
            kept.append(story)
    return kept


def motion_by_second(runs: Sequence[Signals]) -> tuple[Array, Array]:
    """(t_ms int64 [M], float32 [M]): mean change of luma a second of video, 0–255, for each second that has frames."""
    t_ms, change = (np.concatenate([getattr(r, name) for r in runs]) for name in ("t_ms", "motion"))
    seconds, where = np.unique(t_ms // 1000, return_inverse=True)
    total = np.bincount(where, weights=change, minlength=len(seconds)) if len(seconds) else np.zeros(0)
    return seconds * 1000, total.astype(np.float32)
