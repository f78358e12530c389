"""Loudness from 100 ms levels: gating, windows and range by ITU-R BS.1770-4, EBU R 128, Tech 3341 and Tech 3342."""

from __future__ import annotations

import numpy as np

HOP_MS = 100
MOMENTARY = 4
SHORT_TERM = 30
"""Hops in a momentary (400 ms) and a short-term (3 s) window."""
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
RANGE_GATE_LU = -20.0
FLOOR_LUFS = -100.0
"""What digital silence is given as: logarithms of nothing have no number."""


def lufs(power: np.ndarray) -> np.ndarray:
    """K-weighted mean squares [N] as LUFS [N], no lower than FLOOR_LUFS (BS.1770-4, formula 2)."""
    return np.asarray(np.maximum(-0.691 + 10 * np.log10(np.maximum(power, 1e-30)), FLOOR_LUFS))


def moving_mean(power: np.ndarray, hops: int) -> np.ndarray:
    """Means over each complete window of ``hops``: float64 [N - hops + 1], empty when there is none."""
    if len(power) < hops:
        return np.zeros(0)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(power, hops).mean(axis=1))


def trailing_mean(power: np.ndarray, hops: int) -> np.ndarray:
    """Mean of the last ``hops`` at each hop, of fewer at the beginning: float64 [N]."""
    complete = moving_mean(power, hops)
    lead = min(len(power), hops - 1)
    return np.concatenate([np.cumsum(power[:lead]) / np.arange(1, lead + 1), complete])


def integrated(power: np.ndarray) -> float | None:
    """Gated loudness in LUFS of 400 ms blocks that overlap by 75 %; None when all of them are below -70 LUFS."""
    blocks = moving_mean(power, MOMENTARY)
    audible = blocks[lufs(blocks) > ABSOLUTE_GATE_LUFS]
    if not len(audible):
        return None
    gate = float(lufs(audible.mean())) + RELATIVE_GATE_LU
    return float(lufs(audible[lufs(audible) > gate].mean()))


def loudness_range(power: np.ndarray) -> float | None:
    """Tech 3342: from the 10th to the 95th percentile of gated short-term loudness, in LU; None when too short or silent."""
    windows = moving_mean(power, SHORT_TERM)
    audible = windows[lufs(windows) > ABSOLUTE_GATE_LUFS]
    if not len(audible):
        return None
    gate = float(lufs(audible.mean())) + RANGE_GATE_LU
    kept = np.sort(lufs(audible[lufs(audible) > gate]))
    low, high = (kept[round((len(kept) - 1) * p)] for p in (0.10, 0.95))
    return float(high - low)


def quiet_spans(power: np.ndarray, below_lufs: float, min_ms: int) -> list[tuple[int, int]]:
    """[start, end) in ms of runs of hops below ``below_lufs`` that last at least ``min_ms``."""
    quiet = np.concatenate([[0], (lufs(power) < below_lufs).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(quiet)).reshape(-1, 2) * HOP_MS
    return [(int(start), int(end)) for start, end in edges if end - start >= min_ms]
