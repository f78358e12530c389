"""Sound in memory: an AudioStream for tests, and the clips that they share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np

from kadr.contracts.media import AUDIO_RATE

DATA = Path(__file__).parents[2] / "data"
PER_MS = AUDIO_RATE // 1000


@dataclass(frozen=True)
class MemoryAudio:
    """``samples``: float32 [N] at AUDIO_RATE, from ``start_ms`` of the timeline on."""

    samples: np.ndarray
    start_ms: int = 0

    @property
    def end_ms(self) -> int:
        return self.start_ms + len(self.samples) // PER_MS

    def read(self, start_ms: int, end_ms: int) -> np.ndarray:
        first, last = (max(t - self.start_ms, 0) * PER_MS for t in (start_ms, min(end_ms, self.end_ms)))
        return self.samples[first:last].astype(np.float32)

    def between(self, start_ms: int, end_ms: int) -> MemoryAudio:
        """The sound of one chunk, cut to what there is."""
        first = max(start_ms, self.start_ms)
        return MemoryAudio(self.read(first, end_ms), first)


@cache
def clip(name: str) -> np.ndarray:
    """A clip of tests/data as float32 [N] at AUDIO_RATE, mono."""
    resampler = av.AudioResampler("flt", "mono", AUDIO_RATE)
    with av.open(str(DATA / name)) as container:
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
    frames += resampler.resample(None)
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    samples.setflags(write=False)
    return samples


def silence(ms: int) -> np.ndarray:
    return np.zeros(ms * PER_MS, dtype=np.float32)


def noise(ms: int, rms: float = 0.1, seed: int = 7) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(ms * PER_MS) * rms).astype(np.float32)


def sine(ms: int, hz: float, amplitude: float = 0.5) -> np.ndarray:
    t = np.arange(ms * PER_MS) / AUDIO_RATE
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def chords(ms: int, amplitude: float = 0.1) -> np.ndarray:
    """A progression of triads with overtones, one a second, plucked and dying away."""
    roots = (220.0, 174.61, 261.63, 196.0)
    t = np.arange(AUDIO_RATE) / AUDIO_RATE
    bars = []
    for root in roots:
        tones = [root * r * h for r in (1.0, 1.25, 1.5) for h in (1, 2, 3, 4, 5)]
        parts = [np.sin(2 * np.pi * f * t) / (1 + i % 5) for i, f in enumerate(tones)]
        bars.append(np.sum(parts, axis=0) * np.exp(-2 * t))
    song = np.tile(np.concatenate(bars), ms // 4000 + 1)[: ms * PER_MS]
    return (amplitude * song).astype(np.float32)
