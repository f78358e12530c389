"""From signals to transitions: hard cuts, fades and dissolves, one list in time order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode, SceneDetector, ThresholdDetector

from functions.shots.signals import Signals

Array = np.ndarray[Any, Any]
Detector = Literal["adaptive", "content", "transnet"]

HARD, GRADUAL = 1, 2
THRESHOLDS: dict[str, float] = {"adaptive": 3.0, "content": 27.0, "transnet": 0.5}
BLACK = 12
"""Mean of 8-bit channels below which a frame is black: PySceneDetect's default for fades."""
DISSOLVE = 12.0
"""Least strength of a dissolve (of 255): slow zooms over real pictures stay below 9."""
_DISSOLVE_APART_MS = 900
_HARD_APART_MS = 500
_SLACK_MS = 200
_LEAST_CONTENT = 15.0
"""PySceneDetect's default for the least score of an adaptive cut."""
_RATE = 25.0


@dataclass(frozen=True, order=True)
class Transition:
    """A new shot begins at ``at_ms``; pictures in [start_ms, end_ms) belong to no shot alone. ``score`` in [0, 1]."""

    at_ms: int
    kind: int
    score: float
    start_ms: int
    end_ms: int


def transitions(
    signals: Signals, detector: Detector, threshold: float | None, min_shot_ms: int
) -> list[Transition]:
    """All transitions of the frames in ``signals``, at least ``min_shot_ms`` apart and away from both ends."""
    if len(signals) < 2:
        return []
    limit = THRESHOLDS[detector] if threshold is None else threshold
    if detector == "transnet":
        found = _from_transnet(signals, limit)
    else:
        hard = _hard(signals, detector, limit)
        fades = _fades(signals, hard)
        found = hard + fades + _dissolves(signals, hard + fades)
    return _spaced(sorted(found), min_shot_ms, int(signals.t_ms[0]), int(signals.t_ms[-1]))


class _Replayed:
    """Gives PySceneDetect's detectors the scores measured before, in place of pictures."""

    score = 0.0

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Array) -> float:
        return self.score


class _Adaptive(_Replayed, AdaptiveDetector):  # type: ignore[misc]
    pass


class _Content(_Replayed, ContentDetector):  # type: ignore[misc]
    pass


def _hard(signals: Signals, detector: Detector, limit: float) -> list[Transition]:
    judge: Any = (
        _Adaptive(adaptive_threshold=limit, min_scene_len=0)
        if detector == "adaptive"
        else _Content(threshold=limit, min_scene_len=0)
    )
    found = [i for i in _judged(judge, signals) if i > 0 and not signals.flash[i] and _is_visible(signals, i)]
    return [_cut(signals, i, HARD, float(signals.content[i]) / 100) for i in found]


def _is_visible(signals: Signals, i: int) -> bool:
    """Hue and saturation mean nothing in black: a cut into or out of it must show in the luma."""
    dark = min(signals.luma[i], signals.luma[i - 1]) < BLACK
    return not dark or bool(signals.motion[i] >= _LEAST_CONTENT)


def _judged(judge: Any, signals: Signals) -> list[int]:
    cuts: list[FrameTimecode] = []
    nothing = np.zeros((1, 1, 3), dtype=np.uint8)
    # Two frames of silence after the last let the detector's window reach the end.
    for i, score in enumerate([*signals.content.tolist(), 0.0, 0.0]):
        judge.score = score
        cuts += judge.process_frame(FrameTimecode(i, fps=_RATE), nothing)
    return [c.frame_num for c in cuts if c.frame_num < len(signals)]


def _fades(signals: Signals, hard: list[Transition]) -> list[Transition]:
    """Through black, by PySceneDetect's ThresholdDetector; black that a cut leads into or out of is no fade."""
    judge: SceneDetector = ThresholdDetector(threshold=BLACK, min_scene_len=0)
    found = []
    for i, luma in enumerate(signals.luma):
        for cut in judge.process_frame(FrameTimecode(i, fps=_RATE), np.array([luma])):
            start, end = _black_around(signals, cut.frame_num)
            fade = Transition(
                int(signals.t_ms[cut.frame_num]), GRADUAL, 1.0, start - _HARD_APART_MS, end + _HARD_APART_MS
            )
            if start > signals.t_ms[0] and not any(
                start - _SLACK_MS <= h.at_ms <= end + _SLACK_MS for h in hard
            ):
                found.append(fade)
    return found


def _black_around(signals: Signals, at: int) -> tuple[int, int]:
    """[first, last] time of the black frames around frame ``at``."""
    first = last = at
    while first > 0 and signals.luma[first - 1] < BLACK:
        first -= 1
    while last < len(signals) - 1 and signals.luma[last] < BLACK:
        last += 1
    return int(signals.t_ms[first]), int(signals.t_ms[last])


def _dissolves(signals: Signals, known: list[Transition]) -> list[Transition]:
    """Peaks of the linear blend, strongest first, away from cuts and fades."""
    found: list[Transition] = []
    order = np.argsort(-signals.gradual, kind="stable")
    for i in order[: int(np.count_nonzero(signals.gradual >= DISSOLVE))]:
        t, half = int(signals.t_ms[i]), int(signals.half_ms[i])
        beside_known = any(k.start_ms - _HARD_APART_MS <= t <= k.end_ms + _HARD_APART_MS for k in known)
        if beside_known or any(abs(f.at_ms - t) <= _DISSOLVE_APART_MS for f in found):
            continue
        middle = _plateau_middle(signals, int(i))
        score = min(1.0, float(signals.gradual[i]) / 64)
        found.append(Transition(middle, GRADUAL, score, middle - half, middle + half))
    return found


def _plateau_middle(signals: Signals, i: int) -> int:
    level = 0.85 * signals.gradual[i]
    first = last = i
    while first > 0 and signals.gradual[first - 1] >= level:
        first -= 1
    while last < len(signals) - 1 and signals.gradual[last + 1] >= level:
        last += 1
    return int(signals.t_ms[(first + last) // 2])


def _from_transnet(signals: Signals, limit: float) -> list[Transition]:
    """One transition for each run of ``single`` above ``limit``; the model marks the last frame before the change."""
    above = np.concatenate([[0], (signals.single >= limit).astype(np.int8), [0]])
    starts, ends = np.nonzero(np.diff(above) == 1)[0], np.nonzero(np.diff(above) == -1)[0]
    found = []
    for start, end in zip(starts, ends, strict=True):
        peak = int(start + np.argmax(signals.single[start:end]))
        first, last = _run(signals.all >= limit, peak)
        kind = GRADUAL if signals.t_ms[last] - signals.t_ms[first] > _SLACK_MS else HARD
        new = min(peak + 1, len(signals) - 1)
        span = (int(signals.t_ms[min(first, new)]), int(signals.t_ms[last])) if kind == GRADUAL else (0, 0)
        cut = _cut(signals, new, kind, float(signals.single[peak]))
        found.append(cut if kind == HARD else Transition(cut.at_ms, kind, cut.score, *span))
    return found


def _run(mask: Array, at: int) -> tuple[int, int]:
    first = last = at
    while first > 0 and mask[first - 1]:
        first -= 1
    while last < len(mask) - 1 and mask[last + 1]:
        last += 1
    return first, last


def _cut(signals: Signals, i: int, kind: int, score: float) -> Transition:
    t = int(signals.t_ms[i])
    return Transition(t, kind, min(1.0, score), t, t)


def _spaced(found: list[Transition], min_shot_ms: int, first_ms: int, last_ms: int) -> list[Transition]:
    """Of transitions closer than ``min_shot_ms`` the stronger stays; none so close to an end."""
    kept: list[Transition] = []
    for one in found:
        if one.at_ms - first_ms < min_shot_ms or last_ms - one.at_ms < min_shot_ms / 2:
            continue
        if kept and one.at_ms - kept[-1].at_ms < min_shot_ms:
            if one.score > kept[-1].score:
                kept[-1] = one
            continue
        kept.append(one)
    return kept
