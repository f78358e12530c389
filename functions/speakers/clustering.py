"""Whose voice is whose: agglomerative clustering of voices by the cosine of their means, few speakers rather than many.

Means of many windows tell speakers apart where single windows cannot: of one speaker they agree to 0.8 and more, of two to
0.5 to 0.7 on clean sound, and to 0.78 and 0.70 on the telephone. What lies between is taken for one speaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from functions.speakers.embedding import Windows

STRETCH = 4
"""Neighbouring windows that begin as one voice."""
BLOCK = 800
BLOCK_SIMILARITY = 0.85
"""Longer recordings are first clustered in blocks, so that time grows in line with length: up to this cosine, and at least
to half of the block's size."""
STRICTER = (0.8, 0.85, 0.9, 0.95)
LEAST_SHARES = (1.0, 0.5, 0.25)
"""Of the voice that a speaker needs, when it is known that there are more than the evidence shows."""


@dataclass(frozen=True)
class Evidence:
    """Voices join while their cosine is at least ``similarity``; a speaker needs ``min_ms`` of voice to be one.

    ``count``: how many speakers there are, when it is known.
    """

    similarity: float
    min_ms: int
    count: int | None


@dataclass(frozen=True)
class Voices:
    """``sums``: float64 [K, D], sums of unit vectors; ``sizes``: int64 [K], ms of voice."""

    sums: np.ndarray
    sizes: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Unit vectors [K, D]."""
        return np.asarray(self.sums / np.maximum(np.linalg.norm(self.sums, axis=1, keepdims=True), 1e-12))

    def of(self, kept: np.ndarray) -> Voices:
        return Voices(self.sums[kept], self.sizes[kept])


def speakers(windows: Windows, evidence: Evidence) -> np.ndarray:
    """Unit vectors of the speakers: float64 [K, 256]; K ≥ 1 when there are windows."""
    stretches = _stretches(windows)
    if not len(stretches.sizes):
        return stretches.sums
    found = _apart(stretches, evidence.similarity, evidence.min_ms)
    if evidence.count is None:
        return found.means
    for share, similarity in product(LEAST_SHARES, (evidence.similarity, *STRICTER)):
        if len(found.sizes) >= evidence.count:
            break
        found = _apart(stretches, similarity, round(share * evidence.min_ms))
    return joined(found, -1.0, evidence.count).means


def _stretches(windows: Windows) -> Voices:
    sums: list[np.ndarray] = []
    sizes: list[float] = []
    for segment in np.unique(windows.segment):
        inside = windows.segment == segment
        vectors = windows.embedding[inside].astype(np.float64)
        lasted = int(windows.end_ms[inside].max() - windows.start_ms[inside].min())
        for part in np.array_split(vectors, -(-len(vectors) // STRETCH)):
            sums.append(part.sum(axis=0))
            sizes.append(lasted * len(part) / len(vectors))
    width = windows.embedding.shape[1]
    return Voices(np.array(sums).reshape(-1, width), np.array(sizes).round().astype(np.int64))


def _apart(stretches: Voices, similarity: float, least: int) -> Voices:
    """Clusters of at least ``least`` ms; one of everything when there is no such cluster."""
    blocks = [stretches.of(np.arange(i, min(i + BLOCK, len(stretches.sizes)))) for i in _steps(stretches)]
    while len(blocks) > 1:
        blocks = _halved([_condensed(block) for block in blocks])
    found = joined(blocks[0], similarity)
    big = found.of(found.sizes >= least)
    return big if len(big.sizes) else Voices(found.sums.sum(axis=0)[None], found.sizes.sum()[None])


def _condensed(block: Voices) -> Voices:
    return joined(joined(block, BLOCK_SIMILARITY), -1.0, BLOCK // 2)


def _steps(stretches: Voices) -> range:
    return range(0, len(stretches.sizes), BLOCK)


def _halved(blocks: Sequence[Voices]) -> list[Voices]:
    """Neighbouring blocks as one each."""
    pairs = [blocks[i : i + 2] for i in range(0, len(blocks), 2)]
    return [
        Voices(np.concatenate([b.sums for b in pair]), np.concatenate([b.sizes for b in pair]))
        for pair in pairs
    ]


def joined(voices: Voices, similarity: float, count: int = 1) -> Voices:
    """The two most alike become one, while they are at least ``similarity`` alike and more than ``count`` are left."""
    sums, sizes = voices.sums.copy(), voices.sizes.copy()
    means = voices.means
    alike = means @ means.T
    np.fill_diagonal(alike, -2.0)
    alive = np.ones(len(sizes), dtype=bool)
    for _ in range(len(sizes) - count):
        a, b = (int(i) for i in np.unravel_index(np.argmax(alike), alike.shape))
        if alike[a, b] < similarity:
            break
        sums[a] += sums[b]
        sizes[a] += sizes[b]
        alive[b] = False
        alike[b] = alike[:, b] = -2.0
        means[a] = sums[a] / max(float(np.linalg.norm(sums[a])), 1e-12)
        alike[a, alive] = alike[alive, a] = means[alive] @ means[a]
        alike[a, a] = -2.0
    return Voices(sums[alive], sizes[alive])
