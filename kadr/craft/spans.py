"""Spans of time from samples."""

from __future__ import annotations

Span = tuple[int, int]


def extent(first_ms: int, last_ms: int, step_ms: int, bounds_ms: Span) -> Span:
    """From half a step before the first sample to half a step after the last, cut to ``bounds_ms``.

    When between two samples something came or went is unknown; the middle is wrong by half a step at most.
    """
    half = step_ms // 2
    start, end = bounds_ms
    return max(start, first_ms - half), min(max(end, last_ms), last_ms + step_ms - half)
