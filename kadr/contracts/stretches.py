"""Long arrays a stretch at a time: what has been looked at of a file that is mapped does not stay in memory."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator

import numpy as np

STRETCH_BYTES = 4 << 20
_AROUND = 2 << 20
"""Around an address that is asked for Linux maps what else is at hand, at most up to the ends of its page table: multiples of 2 MB."""


def stretches(array: np.ndarray) -> Iterator[memoryview]:
    """The bytes of ``array`` in C order, at most STRETCH_BYTES at once. One that is mapped from a file is let go of behind them."""
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for at in range(0, flat.size, STRETCH_BYTES):
        piece = flat[at : at + STRETCH_BYTES]
        yield piece.data
        let_go(piece)


def let_go(piece: np.ndarray) -> None:
    """Take the pages of ``piece``, contiguous, out of this process if they are mapped from a file; reading brings them back.

    Mapped pages count as memory of the process that has read them, though the system could drop them at any time: an hour of sound is
    115 MB. What is no map, or may be written to, is left as it is.
    """
    file = _map_of(piece)
    if (
        file is None
        or not piece.nbytes
        or not memoryview(file).readonly
        or not hasattr(mmap, "MADV_DONTNEED")
    ):
        return
    begin, at = np.frombuffer(file, dtype=np.uint8).ctypes.data, piece.ctypes.data
    first = max(at // _AROUND * _AROUND, begin)
    last = min(-(-(at + piece.nbytes) // _AROUND) * _AROUND, begin + len(file))
    with contextlib.suppress(OSError):  # pages that are locked stay
        file.madvise(mmap.MADV_DONTNEED, first - begin, last - first)


def _map_of(array: np.ndarray) -> mmap.mmap | None:
    base: object = array
    while isinstance(base, np.ndarray | memoryview):
        base = base.obj if isinstance(base, memoryview) else base.base
    return base if isinstance(base, mmap.mmap) else None
