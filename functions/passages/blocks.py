"""Passages from on-screen text: tracks that come and go together and stand under each other are one block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from functions.passages.sentences import Passage
from kadr.contracts.artifact import Artifact

TOGETHER_MS = 1500
"""Tracks whose starts and whose ends differ by at most this come and go together."""
LINE_GAP = 1.0
"""Lines of a block are at most this many line heights apart."""
ROW = 0.5
"""Lines whose tops differ by less than this many line heights stand in one row."""


def blocks(ocr: Artifact, kind: int) -> list[Passage]:
    """One passage a block of text tracks, its lines in reading order."""
    texts = ocr.payload.get("tracks", [])
    if not texts:
        return []
    boxes = np.concatenate([ocr["track_box"].min(axis=1), ocr["track_box"].max(axis=1)], axis=1)
    start, end = ocr["track_start_ms"], ocr["track_end_ms"]
    _, group = connected_components(_neighbours(start, end, boxes), directed=False)
    found = []
    for number in range(int(group.max()) + 1):
        members = _reading_order(np.flatnonzero(group == number).tolist(), boxes)
        text = " ".join(texts[i] for i in members)
        found.append(Passage(int(start[members].min()), int(end[members].max()), kind, text))
    return found


def _neighbours(start: np.ndarray, end: np.ndarray, boxes: np.ndarray) -> coo_array:
    """Sparse [T, T]: which tracks belong to one block. Only tracks that start close together are compared."""
    rows, columns = [], []
    order = np.argsort(start, kind="stable")
    until = np.searchsorted(start[order], start[order] + TOGETHER_MS, side="right")
    for at, i in enumerate(order):
        near = order[at + 1 : until[at]]
        near = near[(np.abs(end[near] - end[i]) <= TOGETHER_MS) & _adjacent(boxes[i], boxes[near])]
        rows += [int(i)] * len(near)
        columns += near.tolist()
    return coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(start), len(start)))


def _adjacent(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which boxes overlap ``box`` in x and lie within a line's height of it in y; bool [N]."""
    height = np.minimum(box[3] - box[1], others[:, 3] - others[:, 1])
    gap = np.maximum(box[1], others[:, 1]) - np.minimum(box[3], others[:, 3])
    shared = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    return np.asarray((gap <= LINE_GAP * height) & (shared > 0))


def _reading_order(members: Sequence[int], boxes: np.ndarray) -> list[int]:
    """Rows from top to bottom, each from left to right."""
    rows: list[list[int]] = []
    for i in sorted(members, key=lambda i: (float(boxes[i, 1]), float(boxes[i, 0]))):
        top, height = boxes[i, 1], boxes[i, 3] - boxes[i, 1]
        if rows and top - boxes[rows[-1][0], 1] < ROW * height:
            rows[-1].append(i)
        else:
            rows.append([i])
    return [i for row in rows for i in sorted(row, key=lambda i: float(boxes[i, 0]))]
