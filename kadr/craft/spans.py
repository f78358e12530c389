"""Spans of time from samples."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

Span = tuple[int, int]


def spans(
    t_ms: np.ndarray, holds: np.ndarray, step_ms: int, bounds_ms: Span, min_ms: int = 0
) -> list[tuple[int, int]]:
    """Indices (first, last) of runs of samples where ``holds`` (bool [N]) and no sample between them is missing.

    Runs whose extent (see :func:`extent`) is shorter than ``min_ms`` are left out.
    """
    held = np.flatnonzero(holds)
    if not len(held):
        return []
    breaks = [b != a + 1 or t_ms[b] - t_ms[a] > 1.5 * step_ms for a, b in pairwise(held.tolist())]
    runs = np.split(held, np.flatnonzero(breaks) + 1)
    found = [(int(run[0]), int(run[-1])) for run in runs]
    lengths = [np.subtract(*extent(int(t_ms[a]), int(t_ms[b]), step_ms, bounds_ms)[::-1]) for a, b in found]
    return [run for run, length in zip(found, lengths, strict=True) if length >= min_ms]


def extent(first_ms: int, last_ms: int, step_ms: int, bounds_ms: Span) -> Span:
    """From half a step before the first sample to half a step after the last, cut to ``bounds_ms``.

    When between two samples something came or went is unknown; the middle is wrong by half a step at most.
    """
    half = step_ms // 2
    start, end = bounds_ms
    return max(start, first_ms - half), min(max(end, last_ms), last_ms + step_ms - half)
