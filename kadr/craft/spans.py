"""Spans of time from samples."""

from __future__ import annotations

Span = tuple[int, int]


def extent(first_ms: int, last_ms: int, step_ms: int, bounds_ms: Span) -> Span:
    """From the first sample to half a step after the last, cut to ``bounds_ms``.

    Whoever goes to the start shall see what is told there: before its first sample nothing is known to be seen. When it
    went, between its last sample and the next one, is unknown: the middle is wrong by half a step at most.
    """
    start, end = bounds_ms
    return max(start, first_ms), min(max(end, last_ms), last_ms + step_ms - step_ms // 2)
