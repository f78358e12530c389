"""Arrays that grow on disk: long ones cost no memory, and come back as memory maps of unnamed files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

_scratch: Path | None = None


def set_scratch(folder: Path | None) -> None:
    """Where this process's blobs grow from now on; None, as at first, is the system's directory for temporary files.

    For a process that decodes whole videos: the system's directory may be small, or lie in memory. ``folder`` must exist; nothing
    in it has a name, so that nothing is left there however the process ends.
    """
    global _scratch
    _scratch = folder


class Blob:
    """An array of ``dtype`` that is appended to and at last read back as a read-only ``np.memmap``."""

    def __init__(self, dtype: str) -> None:
        self._dtype = np.dtype(dtype)
        self._file = tempfile.TemporaryFile(dir=_scratch)  # noqa: SIM115 - lives as long as the blob
        self._size = 0

    def __len__(self) -> int:
        """How many elements it holds."""
        return self._size // self._dtype.itemsize

    def append(self, data: bytes | np.ndarray[Any, Any]) -> None:
        raw = data if isinstance(data, bytes) else np.ascontiguousarray(data, dtype=self._dtype).tobytes()
        self._file.write(raw)
        self._size += len(raw)

    def pad(self, elements: int) -> None:
        """Append zeros; the file stays sparse there."""
        self._size += max(0, elements) * self._dtype.itemsize
        self._file.truncate(self._size)
        self._file.seek(self._size)

    def finish(self) -> np.ndarray[Any, Any]:
        """The array [N]. The file has no name and goes away with the array."""
        self._file.flush()
        empty = np.zeros(0, dtype=self._dtype)
        found = np.memmap(self._file, dtype=self._dtype, mode="r") if self._size else empty
        self._file.close()
        return found
