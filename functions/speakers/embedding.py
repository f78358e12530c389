"""Voices as vectors: windows of 1.0 s over the segments of voice, each embedded by the speaker encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from functions.speakers.mel import mel_frames
from kadr.contracts.media import AudioStream
from kadr.contracts.model import Model

FRAMES = 160
"""What the encoder hears at once: 1.6 s."""
WINDOW_MS = 1_000
STEP_MS = 250
SHORTEST_MS = 600
"""Less voice than this says too little of whose it is."""
TARGET_POWER = 10 ** (-30 / 10)
"""Windows are heard at -30 dBFS, the level that the encoder was trained at."""
BATCH = 32


@dataclass(frozen=True)
class Windows:
    """``embedding``: float32 [N, 256], unit length. ``start_ms``, ``end_ms``, ``segment``: int64 [N], of voice, in time order."""

    embedding: np.ndarray
    start_ms: np.ndarray
    end_ms: np.ndarray
    segment: np.ndarray

    def __len__(self) -> int:
        return len(self.embedding)

    @property
    def centre_ms(self) -> np.ndarray:
        return np.asarray((self.start_ms + self.end_ms) // 2)


Place = tuple[int, int, int]


def embed(audio: AudioStream, segments: Sequence[tuple[int, int]], model: Model) -> Windows:
    """The windows of all ``segments`` [start_ms, end_ms); segments shorter than 0.6 s have none."""
    places = [(start, end, i) for i, segment in enumerate(segments) for start, end in _windows(*segment)]
    vectors = [model.run({"mels": batch})["emb"] for batch in _batches(_mels(audio, places))]
    embedding = np.concatenate(vectors) if vectors else np.zeros((0, 256), dtype=np.float32)
    columns = np.array(places, dtype=np.int64).reshape(-1, 3).T
    return Windows(embedding, *columns)


def _windows(start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """Every STEP_MS one, the last at the segment's end; a short segment is one window of its own length."""
    if end_ms - start_ms < SHORTEST_MS:
        return []
    if end_ms - start_ms <= WINDOW_MS:
        return [(start_ms, end_ms)]
    starts = list(range(start_ms, end_ms - WINDOW_MS, STEP_MS))
    if len(starts) > 1 and end_ms - WINDOW_MS - starts[-1] < STEP_MS // 2:
        starts.pop()
    return [(start, start + WINDOW_MS) for start in [*starts, end_ms - WINDOW_MS]]


def _mels(audio: AudioStream, places: Sequence[Place]) -> Iterator[np.ndarray]:
    """float32 [160, 40] of each window, its frames repeated."""
    for start, end, _ in places:
        samples = audio.read(start, end)
        gain = TARGET_POWER / max(float(np.mean(np.square(samples))), 1e-10)
        frames = mel_frames(samples) * gain
        yield np.resize(frames, (FRAMES, frames.shape[1]))


def _batches(mels: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    while batch := list(islice(mels, BATCH)):
        yield np.stack(batch).astype(np.float32, copy=False)
