"""The bytes of a video that lies in a bucket, read in pieces where it lies: a file object over ranged reads."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

BLOCK = 1 << 20
KEPT = 12
"""Blocks that one open file remembers: a demuxer jumps between the places of its streams, and back."""

ReadRange = Callable[[int, int], bytes]
"""(offset, length) to the bytes there."""


class Ranged(Protocol):
    """Reads the bytes of the video that a task looks at."""

    def read_range(self, source: str, offset: int, length: int) -> bytes:
        """At most ``length`` bytes from ``offset`` of the source that ``source`` describes. Raises VideoChanged, StoreFailure."""
        ...


@dataclass(frozen=True)
class RangedSource:
    """A video of ``size`` bytes behind ``read``; what it raises comes through (VideoChanged, StoreFailure)."""

    size: int
    read: ReadRange

    def open(self) -> BinaryIO:
        return cast(BinaryIO, RangedFile(self.size, self.read))


class RangedFile(io.RawIOBase):
    """A seekable file of ``size`` bytes; holds at most KEPT blocks of BLOCK bytes, the last ones used."""

    def __init__(self, size: int, read: ReadRange) -> None:
        self._size = size
        self._read = read
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise ValueError(f"negative seek position {at}")
        self._at = at
        return at

    def read(self, size: int | None = -1, /) -> bytes:
        end = self._size if size is None or size < 0 else min(self._size, self._at + size)
        pieces = []
        while self._at < end:
            number, skip = divmod(self._at, BLOCK)
            piece = self._block(number)[skip : skip + end - self._at]
            if not piece:
                raise OSError(f"the video ended at byte {self._at} of {self._size}")
            pieces.append(piece)
            self._at += len(piece)
        return b"".join(pieces)

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        return self.read()

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        offset = number * BLOCK
        block = self._read(offset, min(BLOCK, self._size - offset))
        self._blocks[number] = block
        if len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)
        return block
