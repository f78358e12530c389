"""Reading a frame pack, or what a component asked of it: JPEG pictures decoded lazily, each once, in small batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from kadr.contracts.artifact import Artifact
from kadr.contracts.errors import InvalidArtifact
from kadr.contracts.media import FrameBatch
from kadr.contracts.packs import QUALITY, View
from kadr.contracts.stretches import let_go
from kadr.media.geometry import pack_size
from kadr.media.picture import jpeg_file, size_of

_RAW_BYTES = 24 * 1024 * 1024
"""A batch holds no more pixels than this, whatever its number of frames."""


class FramePack:
    """The frames of a FRAME_PACK artifact as a FrameStream: all of them, or those of ``view``.

    Raises InvalidArtifact for a damaged picture and for one smaller than what is read of it.
    """

    def __init__(self, artifact: Artifact, view: View | None = None, batch: int = 8) -> None:
        self._arrays, self._facts = artifact.arrays, artifact.payload
        self._stored = [(self._fact("width"), self._fact("height"))]
        wide = self._facts.get("wide")
        if wide and (int(wide[0]), int(wide[1])) not in self._stored:
            self._stored.append((int(wide[0]), int(wide[1])))
        self._step, self._size = self._fact("step_ms"), self._stored[0]
        self._at = np.arange(len(self._arrays["t_ms"]))
        if view is not None:
            self._step = view.step_ms
            self._size = pack_size(self.source_width, self.source_height, view.long_side, None)
            self._at = np.flatnonzero(np.asarray(self._arrays["t_ms"]) % view.step_ms == 0)
        fits = _RAW_BYTES // max(1, self.width * self.height * 3)
        self._batch = max(1, min(batch, fits))

    @property
    def width(self) -> int:
        return self._size[0]

    @property
    def height(self) -> int:
        return self._size[1]

    @property
    def source_width(self) -> int:
        return self._fact("source_width")

    @property
    def source_height(self) -> int:
        return self._fact("source_height")

    @property
    def step_ms(self) -> int:
        return self._step

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[FrameBatch]:
        shown, t_ms = self._arrays["picture"], self._arrays["t_ms"]
        last, pixels = -1, np.zeros((0, 0, 3), dtype=np.uint8)
        for first in range(0, len(self), self._batch):
            at = self._at[first : first + self._batch]
            numbers = np.asarray(shown[at], dtype=np.int64)
            images = np.empty((len(numbers), self.height, self.width, 3), dtype=np.uint8)
            repeated = np.diff(numbers, prepend=last) == 0
            for i, number in enumerate(numbers):
                if number != last:
                    last, pixels = int(number), self._scaled(int(number))
                images[i] = pixels
            yield FrameBatch(np.asarray(t_ms[at], dtype=np.int64), images, repeated)

    def encoded(self) -> Iterator[tuple[int, bytes]]:
        for t_ms, number in zip(
            self._arrays["t_ms"][self._at], self._arrays["picture"][self._at], strict=True
        ):
            yield int(t_ms), self._encoded(int(number))

    def _fact(self, name: str) -> int:
        return int(self._facts[name])

    def _file(self, number: int) -> bytes:
        data, offsets = self._arrays["bytes"], self._arrays["offsets"]
        stored = data[offsets[number] : offsets[number + 1]]
        file = bytes(data[: offsets[0]]) + bytes(stored)
        let_go(stored)
        return file

    def _encoded(self, number: int) -> bytes:
        """The file as it is stored if it is as large as what is read, else the picture reduced and coded anew."""
        file = self._file(number)
        if self._stored == [self._size] or (self._size in self._stored and size_of(file) == self._size):
            return file
        return jpeg_file(cv2.cvtColor(self._scaled(number), cv2.COLOR_RGB2BGR), QUALITY)

    def _scaled(self, number: int) -> np.ndarray[Any, Any]:
        image = self._decoded(number)
        if image.shape[:2] == (self.height, self.width):
            return image
        height, width = image.shape[:2]
        if width < self.width or height < self.height:
            raise InvalidArtifact(
                f"frame pack: picture {number} is {width} × {height} pixels, smaller than the "
                f"{self.width} × {self.height} that are read of it"
            )
        return np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def _decoded(self, number: int) -> np.ndarray[Any, Any]:
        file = np.frombuffer(self._file(number), dtype=np.uint8)
        image = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB) if file.size else None
        if image is None or (image.shape[1], image.shape[0]) not in self._stored:
            sizes = " or ".join(f"{width} × {height}" for width, height in self._stored)
            raise InvalidArtifact(f"frame pack: picture {number} is no JPEG of {sizes} pixels")
        return np.asarray(image, dtype=np.uint8)
