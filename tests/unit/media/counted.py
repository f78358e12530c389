"""A video in memory that counts how it is read."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import BinaryIO


@dataclass
class CountedSource:
    """A video of these bytes. ``opened``, ``reads``, ``seeks``: how often, ``bytes_read``: how much, over all its files."""

    content: bytes = field(repr=False)
    opened: int = 0
    reads: int = 0
    seeks: int = 0
    bytes_read: int = 0

    @property
    def size(self) -> int:
        return len(self.content)

    def open(self) -> BinaryIO:
        self.opened += 1
        return CountedFile(self)


class CountedFile(io.BytesIO):
    def __init__(self, source: CountedSource) -> None:
        super().__init__(source.content)
        self._source = source

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self._source.reads += 1
        self._source.bytes_read += len(found)
        return found

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._source.seeks += 1
        return super().seek(offset, whence)
