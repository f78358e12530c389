"""From scores of single frames to what the video shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Rule:
    """What a label needs to be named: mean probability over ``smooth_ms``; at most ``limit`` labels are named."""

    min_score: float
    smooth_ms: int
    limit: int


def smoothed(t_ms: np.ndarray, values: np.ndarray, window_ms: int) -> np.ndarray:
    """Mean of ``values`` [F] over the samples within half a window on either side of each of ``t_ms`` [F]."""
    first = np.searchsorted(t_ms, t_ms - window_ms / 2, side="left")
    end = np.searchsorted(t_ms, t_ms + window_ms / 2, side="right")
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return np.asarray((sums[end] - sums[first]) / np.maximum(1, end - first))


def summarise(
    t_ms: np.ndarray,
    top: np.ndarray,
    top_score: np.ndarray,
    labels: list[str],
    lasts_ms: np.ndarray,
    rule: Rule,
) -> list[dict[str, Any]]:
    """Labels that the video shows, those of the most evidence (score × time) first.

    A frame shows a label that is among its best five and whose smoothed probability reaches ``rule.min_score``; outside
    the best five a label's probability counts as 0. A row's score is the mean over the frames that show it, its time the
    sum of how long each of them lasts (``lasts_ms`` [F]). Classes that share a name (two are called "missile") are one label.
    """
    numbers = {name: i for i, name in reversed(list(enumerate(labels)))}
    same = np.array([numbers[name] for name in labels], dtype=np.int32)
    found = same[top] if top.size else top
    rows = []
    for label in np.unique(found).tolist():
        score = np.where(found == label, top_score, 0).sum(axis=1, dtype=np.float64)
        shown = (score > 0) & (smoothed(t_ms, score, rule.smooth_ms) >= rule.min_score)
        if shown.any():
            rows.append(_row(labels[label], score[shown], t_ms[shown], lasts_ms[shown]))
    rows.sort(key=lambda row: (-row["score"] * row["ms"], row["label"]))
    return rows[: rule.limit]


def _row(label: str, score: np.ndarray, t_ms: np.ndarray, lasts_ms: np.ndarray) -> dict[str, Any]:
    mean = round(float(score.mean()), 4)
    return {"label": label, "score": mean, "first_ms": int(t_ms[0]), "ms": int(lasts_ms.sum())}
