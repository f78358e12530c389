"""What the shell hands to a component: frames, audio and the video's bytes, as plain values and small protocols."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np

AUDIO_RATE = 16_000
"""Samples per second of the audio that components hear (mono)."""


@dataclass(frozen=True, order=True)
class ChunkSpan:
    """A slice [start_ms, end_ms) of the timeline. What it holds may reach ``overlap_ms`` beyond its end."""

    start_ms: int
    end_ms: int
    overlap_ms: int = 0

    def as_key(self) -> tuple[int, int, int]:
        return (self.start_ms, self.end_ms, self.overlap_ms)


@dataclass(frozen=True)
class FrameBatch:
    """Consecutive sampled frames.

    ``t_ms``: int64 [N], the time on the sampling grid (for every-frame packs: the frame's own time).
    ``images``: uint8 [N, H, W, 3], RGB. ``repeated``: bool [N], the picture is known to be the very one before it in
    the stream; where it is not known, and at the beginning of a chunk, it is False though the pixels may be equal.
    """

    t_ms: np.ndarray
    images: np.ndarray
    repeated: np.ndarray

    def __len__(self) -> int:
        return len(self.t_ms)


class FrameStream(Protocol):
    """A pack of sampled frames, decoded lazily; iterating again starts over. Never empty of size when the video has pictures."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def source_width(self) -> int:
        """Width in pixels of the video's own upright picture."""
        ...

    @property
    def source_height(self) -> int: ...
    @property
    def step_ms(self) -> int:
        """Distance of the sampling grid in ms; 0 for every-frame packs."""
        ...

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[FrameBatch]: ...

    def encoded(self) -> Iterator[tuple[int, bytes]]:
        """(t_ms, JPEG bytes) of each frame: as stored where it is stored as large as it is read, else coded anew."""
        ...


class AudioStream(Protocol):
    """Mono PCM at AUDIO_RATE over [start_ms, end_ms) of the timeline, read piecewise so that length costs no memory."""

    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...

    def read(self, start_ms: int, end_ms: int) -> np.ndarray:
        """float32 [N] in [-1, 1]; times outside the stream give nothing."""
        ...


class SourceFile(Protocol):
    """The video's bytes."""

    @property
    def size(self) -> int: ...
    def open(self) -> BinaryIO:
        """A seekable binary file; the caller closes it."""
        ...
