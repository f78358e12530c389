"""How many groups vectors fall into, and which is in which: auto-tuning spectral clustering.

T. J. Park, K. J. Han, M. Kumar, S. Narayanan, "Auto-Tuning Spectral Clustering for Speaker Diarization Using Normalized
Maximum Eigengap", IEEE Signal Processing Letters 27 (2020). Groups are read from eigenvectors as A. Damle, V. Minden, L. Ying,
"Simple, direct and efficient multi-way spectral clustering", Information and Inference 8 (2019), do it: nothing begins at
random, so that the same vectors always fall into the same groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import eigh, eigvalsh, qr, svd

SHARES = (0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3)
"""Of all vectors, how many neighbours each is tied to: what is tuned."""
LEAST_NEIGHBOURS = 14
"""Of windows that overlap by three quarters, six others share a window's sound and are alike for that: as many and more must not."""


@dataclass(frozen=True)
class Ties:
    """The graph in which each vector is tied to the ``neighbours`` most like it, itself counted.

    ``order``: int64 [N, N], of each vector all others, the most alike first.
    """

    order: np.ndarray
    neighbours: int

    @cached_property
    def laplacian(self) -> np.ndarray:
        """Float64 [N, N], of ties that count half when only one side has them."""
        size = len(self.order)
        tied = np.zeros((size, size))
        tied[np.arange(size)[:, None], self.order[:, : self.neighbours]] = 0.5
        tied += tied.T
        return np.asarray(np.diag(tied.sum(axis=1)) - tied)

    def gap(self, least: int, most: int) -> tuple[float, int]:
        """(neighbours over the normalised largest eigengap: the less, the better they are tied; how many groups it shows)."""
        values = eigvalsh(self.laplacian)
        gaps = np.diff(values[: most + 1])[least - 1 :]
        at = int(np.argmax(gaps))
        return self.neighbours * float(values[-1]) / max(float(gaps[at]), 1e-10), least + at

    def groups(self, count: int) -> np.ndarray:
        """int64 [N]: by the ``count`` smoothest eigenvectors."""
        smooth = eigh(self.laplacian, subset_by_index=[0, count - 1])[1]
        chosen = qr(smooth.T, mode="r", pivoting=True)[1][:count]
        left, _, right = svd(smooth[chosen].T)
        return np.asarray(np.abs(smooth @ (left @ right)).argmax(axis=1))


def groups(vectors: np.ndarray, least: int, most: int) -> np.ndarray:
    """The group of each of ``vectors`` (unit length, float64 [N, D]), ``least`` to ``most`` of them: int64 [N]."""
    size = len(vectors)
    least, most = min(least, size), min(most, size)
    if most <= 1 or (least == 1 and size <= LEAST_NEIGHBOURS):
        return np.zeros(size, dtype=np.int64)
    if least == size:
        return np.arange(size)
    order = np.argsort(-(vectors @ vectors.T), axis=1, kind="stable")
    numbers = sorted({min(max(LEAST_NEIGHBOURS, round(size * share)), size - 1) for share in SHARES})
    tuned = [(Ties(order, number).gap(least, most), number) for number in numbers]
    (_, count), number = min(tuned)
    return Ties(order, number).groups(count)
