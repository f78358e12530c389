"""How far a task is, seen from how much of its input it has read: components know nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from kadr.contracts.media import AudioStream, FrameBatch, FrameStream

Progress = Callable[[float], None]
"""Called with the fraction done, 0 to 1; may be called often."""


class _WatchedFrames:
    def __init__(self, inner: FrameStream, progress: Progress) -> None:
        self._inner = inner
        self._progress = progress
        self.width, self.height = inner.width, inner.height
        self.source_width, self.source_height = inner.source_width, inner.source_height
        self.step_ms = inner.step_ms

    def __len__(self) -> int:
        return len(self._inner)

    def __iter__(self) -> Iterator[FrameBatch]:
        done, total = 0, max(1, len(self._inner))
        for batch in self._inner:
            yield batch
            done += len(batch)
            self._progress(done / total)

    def encoded(self) -> Iterator[tuple[int, bytes]]:
        return self._inner.encoded()


class _WatchedAudio:
    def __init__(self, inner: AudioStream, progress: Progress) -> None:
        self._inner = inner
        self._progress = progress
        self.start_ms, self.end_ms = inner.start_ms, inner.end_ms

    def read(self, start_ms: int, end_ms: int) -> np.ndarray:
        samples = self._inner.read(start_ms, end_ms)
        self._progress(min(1.0, (end_ms - self.start_ms) / max(1, self.end_ms - self.start_ms)))
        return samples


def watched_frames(frames: FrameStream, progress: Progress) -> FrameStream:
    """``frames``, reporting the fraction of frames handed out."""
    return _WatchedFrames(frames, progress)


def watched_audio(audio: AudioStream, progress: Progress) -> AudioStream:
    """``audio``, reporting the farthest time read as a fraction of its length."""
    return _WatchedAudio(audio, progress)
