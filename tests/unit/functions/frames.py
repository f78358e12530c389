"""Frames in memory: a FrameStream for tests, made from a list of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kadr.contracts.media import FrameBatch


@dataclass(frozen=True)
class MemoryFrames:
    """RGB pictures (uint8 [H, W, 3], all of one size), one every ``step_ms`` from ``start_ms`` on.

    The same array object twice in a row counts as a repeated picture. ``scale`` is source size / picture size.
    """

    images: Sequence[np.ndarray]
    step_ms: int = 1000
    start_ms: int = 0
    scale: float = 1.0
    batch: int = 4
    size: tuple[int, int] = (0, 0)
    """(width, height) of the pictures when there are none."""

    @property
    def width(self) -> int:
        return int(self.images[0].shape[1]) if self.images else self.size[0]

    @property
    def height(self) -> int:
        return int(self.images[0].shape[0]) if self.images else self.size[1]

    @property
    def source_width(self) -> int:
        return round(self.width * self.scale)

    @property
    def source_height(self) -> int:
        return round(self.height * self.scale)

    @property
    def t_ms(self) -> np.ndarray:
        return self.start_ms + self.step_ms * np.arange(len(self.images), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[FrameBatch]:
        repeated = [i > 0 and self.images[i] is self.images[i - 1] for i in range(len(self.images))]
        for at in range(0, len(self.images), self.batch):
            part = slice(at, at + self.batch)
            yield FrameBatch(
                self.t_ms[part], np.stack(self.images[part]), np.array(repeated[part], dtype=bool)
            )

    def encoded(self) -> Iterator[tuple[int, bytes]]:
        for t_ms, image in zip(self.t_ms, self.images, strict=True):
            yield int(t_ms), cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()

    def between(self, start_ms: int, end_ms: int) -> MemoryFrames:
        """The frames of one chunk: those whose time is in [start_ms, end_ms)."""
        kept = [i for i, t in enumerate(self.t_ms) if start_ms <= t < end_ms]
        first = int(self.t_ms[kept[0]]) if kept else start_ms
        return MemoryFrames(
            [self.images[i] for i in kept],
            self.step_ms,
            first,
            self.scale,
            self.batch,
            (self.width, self.height),
        )
