"""What each fifth of a second sounds like: classes by the model, silence by level, and the likeliest path through them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from functions.sounds.features import HOP_MS, PATCH_MS, log_mel, patches
from kadr.contracts.media import AUDIO_RATE, AudioStream
from kadr.contracts.model import Model

LABELS = ("speech", "music", "noise", "silence")
SILENCE = LABELS.index("silence")
CELL_MS = 200
LEAD_MS = 240
"""A patch begins this long before its cell: both have the same middle."""
BATCH = 64
DOUBT = 0.02
"""No cell is surer than this of what it is not, so that no single one forces a change."""
SWITCH = 4.0
"""A change of label costs, in nats, as much as one cell of full contradiction: what is shorter than three cells is bridged."""

REACH = 2
"""A patch reaches so many cells to either side."""
BESIDE_SILENCE = 0.25
"""A patch that is partly silence mostly looks like noise, whatever the rest of it is."""


@dataclass(frozen=True)
class Span:
    """``label`` indexes LABELS; ``score`` is the mean probability of it."""

    start_ms: int
    end_ms: int
    label: int
    score: float


def cells(audio: AudioStream, model: Model, silence_power: float) -> np.ndarray:
    """Probabilities of LABELS in each cell of CELL_MS: float64 [N, 4]; the last cell may be shorter."""
    heard = [_classified(audio, model, first, silence_power) for first in _firsts(audio)]
    return np.concatenate(heard) if heard else np.zeros((0, len(LABELS)))


def _firsts(audio: AudioStream) -> Iterator[int]:
    count = -(-(audio.end_ms - audio.start_ms) // CELL_MS)
    yield from range(0, count, BATCH)


def _classified(audio: AudioStream, model: Model, first: int, silence_power: float) -> np.ndarray:
    """The cells from ``first`` on, BATCH at most. Patches at the edges of the sound are moved inside it."""
    length = audio.end_ms - audio.start_ms
    last = min(first + BATCH, -(-length // CELL_MS))
    latest = max(0, (length - PATCH_MS) // HOP_MS * HOP_MS)
    begins = np.clip(np.arange(first, last) * CELL_MS - LEAD_MS, 0, latest)
    samples = audio.read(audio.start_ms + int(begins[0]), audio.start_ms + int(begins[-1]) + PATCH_MS).astype(
        np.float64
    )
    # A sound shorter than a patch is heard over and over.
    samples = np.resize(samples, max(len(samples), PATCH_MS * AUDIO_RATE // 1000))
    found = model.run({"x": patches(log_mel(samples), (begins - begins[0]) // HOP_MS)})["y"]
    at = audio.start_ms + CELL_MS * np.arange(first, last)
    quiet = np.array([_power(audio.read(int(t), int(t) + CELL_MS)) < silence_power for t in at])
    return np.column_stack([np.where(quiet[:, None], 0.0, found), quiet]).astype(np.float64)


def _power(samples: np.ndarray) -> float:
    return float(np.mean(np.square(samples))) if len(samples) else 0.0


def spans(probabilities: np.ndarray, start_ms: int, end_ms: int) -> list[Span]:
    """The sound as spans of one label each, in time order and without gaps."""
    if not len(probabilities):
        return []
    path = _likeliest(_evidence(probabilities))
    edges = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    return [
        Span(
            start_ms + CELL_MS * a,
            min(start_ms + CELL_MS * b, end_ms),
            int(path[a]),
            float(probabilities[a:b, path[a]].mean()),
        )
        for a, b in pairwise(edges)
    ]


def _evidence(probabilities: np.ndarray) -> np.ndarray:
    """Log probabilities [N, 4]; what patches that hold silence say of the classes counts for less."""
    scores = np.log(np.maximum(probabilities, DOUBT))
    quiet = probabilities[:, SILENCE] > 0
    beside = np.convolve(quiet, np.ones(2 * REACH + 1), mode="full")[REACH:-REACH] > 0
    scores[np.ix_(beside & ~quiet, np.arange(len(LABELS)) != SILENCE)] *= BESIDE_SILENCE
    return np.asarray(scores)


def _likeliest(scores: np.ndarray) -> np.ndarray:
    """Viterbi's path through log probabilities [N, K], where each change costs SWITCH: int64 [N]."""
    came_from = np.zeros(scores.shape, dtype=np.int64)
    total = scores[0].copy()
    stay = np.arange(scores.shape[1])
    for i in range(1, len(scores)):
        leader = int(np.argmax(total))
        switched = total[leader] - SWITCH > total
        came_from[i] = np.where(switched, leader, stay)
        total = np.where(switched, total[leader] - SWITCH, total) + scores[i]
    path = np.zeros(len(scores), dtype=np.int64)
    path[-1] = int(np.argmax(total))
    for i in range(len(scores) - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path
