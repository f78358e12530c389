"""Spans of time that are black, frozen or blurred."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from functions.quality.measures import FIRST

KINDS = ("black", "freeze", "blur")
BLACK, FREEZE, BLUR = range(len(KINDS))
Span = tuple[int, int, int]
"""start_ms, end_ms, kind"""


def runs(t_ms: np.ndarray, marked: np.ndarray, step_ms: int) -> list[tuple[int, int]]:
    """(first, last) index of successive ``marked`` (bool [F]) samples; a gap in ``t_ms`` longer than ``step_ms`` ends a run."""
    at = np.flatnonzero(marked)
    if not len(at):
        return []
    breaks = np.flatnonzero((np.diff(at) > 1) | (np.diff(t_ms[at]) > step_ms)) + 1
    return [(int(part[0]), int(part[-1])) for part in np.split(at, breaks)]


def is_black(values: Mapping[str, np.ndarray], luma: float, contrast: float) -> np.ndarray:
    """Frames that are dark all over: a night sky with stars is not."""
    return np.asarray((values["luma"] <= luma) & (values["contrast"] <= contrast))


def is_blurred(values: Mapping[str, np.ndarray], threshold: float, flat: float) -> np.ndarray:
    """Frames without sharp edges though there is something to see: a picture of less contrast than ``flat`` does not count."""
    return np.asarray((values["blur"] < threshold) & (values["contrast"] > flat))


def is_still(t_ms: np.ndarray, change: np.ndarray, threshold: float, step_ms: int) -> np.ndarray:
    """Frames that show what the frame one step before them showed."""
    follows = np.diff(t_ms, prepend=t_ms[:1]) <= step_ms
    return np.asarray((change <= threshold) & (change != FIRST) & follows)


def held(t_ms: np.ndarray, marked: np.ndarray, kind: int, step_ms: int, min_ms: int) -> list[Span]:
    """Spans of ``kind`` that last ``min_ms``. A sample stands for the time until the next one; a freeze begins with the
    sample that the first still one repeats.
    """
    lead = kind == FREEZE
    spans = [
        (int(t_ms[first - lead]), int(t_ms[last]) + step_ms, kind)
        for first, last in runs(t_ms, marked, step_ms)
    ]
    return [span for span in spans if span[1] - span[0] >= min_ms]
