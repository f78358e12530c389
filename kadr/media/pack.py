"""Reading a frame pack: JPEG pictures decoded lazily, each once, in small batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from kadr.contracts.artifact import Artifact
from kadr.contracts.errors import InvalidArtifact
from kadr.contracts.media import FrameBatch

_RAW_BYTES = 24 * 1024 * 1024
"""A batch holds no more pixels than this, whatever its number of frames."""


class FramePack:
    """The frames of a FRAME_PACK artifact as a FrameStream. Raises InvalidArtifact for a damaged picture."""

    def __init__(self, artifact: Artifact, batch: int = 8) -> None:
        self._arrays, self._facts = artifact.arrays, artifact.payload
        fits = _RAW_BYTES // max(1, self.width * self.height * 3)
        self._batch = max(1, min(batch, fits))

    @property
    def width(self) -> int:
        return int(self._facts["width"])

    @property
    def height(self) -> int:
        return int(self._facts["height"])

    @property
    def source_width(self) -> int:
        return int(self._facts["source_width"])

    @property
    def source_height(self) -> int:
        return int(self._facts["source_height"])

    @property
    def step_ms(self) -> int:
        return int(self._facts["step_ms"])

    def __len__(self) -> int:
        return len(self._arrays["t_ms"])

    def __iter__(self) -> Iterator[FrameBatch]:
        shown, t_ms = self._arrays["picture"], self._arrays["t_ms"]
        last, pixels = -1, np.zeros((0, 0, 3), dtype=np.uint8)
        for at in range(0, len(self), self._batch):
            numbers = np.asarray(shown[at : at + self._batch], dtype=np.int64)
            images = np.empty((len(numbers), self.height, self.width, 3), dtype=np.uint8)
            repeated = np.diff(numbers, prepend=last) == 0
            for i, number in enumerate(numbers):
                if number != last:
                    last, pixels = int(number), self._decoded(int(number))
                images[i] = pixels
            yield FrameBatch(np.asarray(t_ms[at : at + self._batch], dtype=np.int64), images, repeated)

    def encoded(self) -> Iterator[tuple[int, bytes]]:
        for t_ms, number in zip(self._arrays["t_ms"], self._arrays["picture"], strict=True):
            yield int(t_ms), self._file(int(number)).tobytes()

    def _file(self, number: int) -> np.ndarray[Any, Any]:
        offsets = self._arrays["offsets"]
        return np.asarray(self._arrays["bytes"][offsets[number] : offsets[number + 1]])

    def _decoded(self, number: int) -> np.ndarray[Any, Any]:
        file = self._file(number)
        image = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB) if file.size else None
        if image is None or image.shape != (self.height, self.width, 3):
            raise InvalidArtifact(
                f"frame pack: picture {number} is no JPEG of {self.width} × {self.height} pixels"
            )
        return np.asarray(image, dtype=np.uint8)
