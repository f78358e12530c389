"""Spans of time in which a label's smoothed score stays high."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Span:
    start_ms: int
    end_ms: int
    label: int
    score: float


def smoothed(t_ms: np.ndarray, values: np.ndarray, window_ms: int) -> np.ndarray:
    """Mean of ``values`` [F] over the samples within half a window on either side of each of ``t_ms`` [F]."""
    first = np.searchsorted(t_ms, t_ms - window_ms / 2, side="left")
    end = np.searchsorted(t_ms, t_ms + window_ms / 2, side="right")
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return np.asarray((sums[end] - sums[first]) / np.maximum(1, end - first))


def runs(t_ms: np.ndarray, marked: np.ndarray, step_ms: int) -> list[slice]:
    """Slices of successive ``marked`` (bool [F]) samples; a gap in ``t_ms`` longer than ``step_ms`` ends a run."""
    at = np.flatnonzero(marked)
    if not len(at):
        return []
    breaks = np.flatnonzero((np.diff(at) > 1) | (np.diff(t_ms[at]) > step_ms)) + 1
    return [slice(int(part[0]), int(part[-1]) + 1) for part in np.split(at, breaks)]


def find_spans(
    t_ms: np.ndarray, score: np.ndarray, label: int, threshold: float, window_ms: int, step_ms: int
) -> list[Span]:
    """Where the smoothed ``score`` [F] reaches ``threshold``. A span's score is its highest smoothed one.

    It begins and ends with frames that reach ``threshold`` themselves: an average is high beside what made it so, too.
    """
    level = smoothed(t_ms, score, window_ms)
    found = []
    for run in runs(t_ms, level >= threshold, step_ms):
        shown = t_ms[run][score[run] >= min(threshold, score[run].max())]
        found.append(Span(int(shown[0]), int(shown[-1]) + step_ms, label, float(level[run].max())))
    return found
