"""Recordings joined into longer ones, with the spans at which each lies."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

RATE = 16_000
PER_MS = RATE // 1000
Span = tuple[int, int]


def read(path: Path) -> np.ndarray:
    """The recording as mono int16 [N] at ``RATE``; G.722 without a container too."""
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(path)) as container:
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def joined(clips: Sequence[np.ndarray], gap_ms: int, path: Path) -> list[Span]:
    """Write the clips one after the other, each after ``gap_ms`` of silence; where each lies, in ms."""
    gap = np.zeros(gap_ms * PER_MS, dtype=np.int16)
    pieces, spans, at = [], [], 0
    for clip in clips:
        pieces += [gap, clip]
        spans.append((round((at + len(gap)) / PER_MS), round((at + len(gap) + len(clip)) / PER_MS)))
        at += len(gap) + len(clip)
    write(np.concatenate([*pieces, gap]), path)
    return spans


def write(samples: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
