"""Whose voice is whose: windows fall into groups, and the mean of a group is the voice of a speaker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from functions.speakers.embedding import Windows
from functions.speakers.spectral import groups

BLOCK = 1000
"""Groups are looked for among at most this many; of more windows, the most alike of each block are taken together first."""


@dataclass(frozen=True)
class Evidence:
    """There are ``least`` to ``most`` speakers; each needs ``min_ms`` of voice, and a mean less like another's than ``similarity``."""

    least: int
    most: int
    similarity: float
    min_ms: int


@dataclass(frozen=True)
class Voices:
    """``sums``: float64 [K, D], sums of unit vectors; ``sizes``: float64 [K], ms of voice."""

    sums: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def means(self) -> np.ndarray:
        """Unit vectors [K, D]."""
        return np.asarray(self.sums / np.maximum(np.linalg.norm(self.sums, axis=1, keepdims=True), 1e-12))

    def of(self, kept: np.ndarray | slice) -> Voices:
        return Voices(self.sums[kept], self.sizes[kept])

    def together(self, group: np.ndarray) -> Voices:
        """Those of one group as one, in the order in which groups begin; ``group``: int [K]."""
        _, first, group = np.unique(group, return_index=True, return_inverse=True)
        member = np.argsort(np.argsort(first))[group]
        sums = np.zeros((len(first), self.sums.shape[1]))
        np.add.at(sums, member, self.sums)
        return Voices(sums, np.bincount(member, self.sizes, len(first)))


def speakers(windows: Windows, evidence: Evidence) -> np.ndarray:
    """Unit vectors of the speakers: float64 [K, 256]; K ≥ 1 when there are windows."""
    heard = condensed(windows)
    if not len(heard):
        return heard.sums
    found = heard.together(groups(heard.means, evidence.least, evidence.most))
    found = joined(found, evidence.similarity, evidence.least)
    big = found.sizes >= evidence.min_ms
    if big.sum() < evidence.least:
        big = np.isin(np.arange(len(found)), np.argsort(-found.sizes, kind="stable")[: evidence.least])
    return found.of(big).means


def condensed(windows: Windows) -> Voices:
    """At most BLOCK voices: the windows, or neighbouring blocks of them halved by Ward's linkage until they are so few.

    Time grows in line with the windows, and no more than a block is compared at once (multi-stage clustering, Q. Wang et al.,
    "Highly Efficient Real-Time Streaming and Fully On-Device Speaker Diarization with Multi-Stage Clustering", 2022).
    """
    voices = Voices(windows.embedding, _shares(windows))
    while len(voices) > BLOCK:
        blocks = [voices.of(slice(at, at + BLOCK)) for at in range(0, len(voices), BLOCK)]
        halves = [_halved(block) for block in blocks]
        voices = Voices(np.concatenate([h.sums for h in halves]), np.concatenate([h.sizes for h in halves]))
    return Voices(voices.sums.astype(np.float64), voices.sizes)


def _halved(block: Voices) -> Voices:
    if len(block) == 1:
        return block
    return block.together(fcluster(linkage(block.means, "ward"), -(-len(block) // 2), "maxclust"))


def _shares(windows: Windows) -> np.ndarray:
    """Of each window: its segment's ms by the number of windows; float64 [N]."""
    if not len(windows):
        return np.zeros(0)
    _, first, count = np.unique(windows.segment, return_index=True, return_counts=True)
    lasted = np.maximum.reduceat(windows.end_ms, first) - windows.start_ms[first]
    return np.asarray(np.repeat(lasted / count, count))


def joined(voices: Voices, similarity: float, least: int) -> Voices:
    """The two most alike become one, while they are at least ``similarity`` alike and more than ``least`` are left."""
    while len(voices) > least:
        alike = np.triu(voices.means @ voices.means.T, 1)
        a, b = np.unravel_index(np.argmax(alike), alike.shape)
        if alike[a, b] < similarity:
            break
        group = np.arange(len(voices))
        group[b] = a
        voices = voices.together(group)
    return voices
