"""Copies of immutable objects on this machine, bounded in bytes, shared by all processes that are given the same folder."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from kadr.contracts.errors import StoreFailure
from kadr.storage.files import FileStore, temporary

SLACK = 16
"""A process looks at the whole folder when it has added this fraction of the limit."""
KEPT = 0.9
"""What is over the limit goes, oldest use first, until this part of it is left."""
TURNS = 64
TRIES = 10


class Cache:
    """A file is complete under its name or not there. A reader holds a shared lock on it: nothing that is read is removed.

    What the folder holds exceeds the limit by at most a sixteenth for each process, and by what is read at the time.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder.absolute()
        self.limit_bytes = limit_bytes
        self._added = limit_bytes  # so that the first addition looks at what others left
        self._make()

    def _make(self) -> None:
        for part in ("copies", "turns"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)

    def scratch(self) -> Path:
        """Where files grow on their way into the cache or the store."""
        return FileStore(self.folder).scratch()

    def sweep(self) -> int:
        """Remove what killed processes left half-written; how many there were."""
        return FileStore(self.folder).sweep()

    @contextmanager
    def copy(self, key: str, size: int, fetch: Callable[[BinaryIO], None]) -> Iterator[Path]:
        """The file of ``key``, of ``size`` bytes; ``fetch`` writes it if it is not there. One process or thread fetches it."""
        pin = self._held(key, size, fetch)
        try:
            yield self._path(key)
        finally:
            os.close(pin)

    def _held(self, key: str, size: int, fetch: Callable[[BinaryIO], None]) -> int:
        path = self._path(key)
        if (pin := _pin(path, size)) is None:
            self._make()  # whoever tidies up may have taken the folders too
            with self._turn(path.name):
                if (pin := _pin(path, size)) is None:
                    pin = self._fetched(path, size, fetch)
            self._grown(size)
        return pin

    def _fetched(self, path: Path, size: int, fetch: Callable[[BinaryIO], None]) -> int:
        with temporary(self.scratch()) as (file, growing):
            fetch(file)
            file.flush()
            os.fsync(file.fileno())
            if (length := growing.stat().st_size) != size:
                raise StoreFailure(
                    f"{path.name}: {length} bytes came of {size}: the connection broke, ask again"
                )
            fcntl.flock(file, fcntl.LOCK_SH)
            pin = os.open(growing, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(pin, fcntl.LOCK_SH)
            growing.replace(path)
        return pin

    def adopt(self, key: str, path: Path) -> None:
        """Take over the file at ``path`` as the copy of ``key``; where that cannot be, it is removed."""
        try:
            with path.open("rb") as file:
                os.fsync(file.fileno())
                size = os.fstat(file.fileno()).st_size
            path.replace(self._path(key))
            self._grown(size)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.ENOENT):
                raise
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / "copies" / sha256(key.encode()).hexdigest()

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """Those that want the same file wait for the first of them; a killed one's turn ends with it."""
        with (self.folder / "turns" / f"{int(name[:8], 16) % TURNS:02d}").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _grown(self, size: int) -> None:
        self._added += size
        if self._added > self.limit_bytes // SLACK:
            self._added = 0
            with suppress(BlockingIOError), (self.folder / "turns" / "evict").open("wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._evict()

    def _evict(self) -> None:
        found = []
        for entry in os.scandir(self.folder / "copies"):
            with suppress(FileNotFoundError):
                status = entry.stat()
                found.append((status.st_mtime_ns, status.st_size, Path(entry.path)))
        total = sum(size for _, size, _ in found)
        if total <= self.limit_bytes:
            return
        for _, size, path in sorted(found):
            if total <= self.limit_bytes * KEPT:
                return
            if _removed(path):
                total -= size


def _pin(path: Path, size: int) -> int | None:
    """A handle with a shared lock on the file at ``path``, which is then the last one used; None if there is none."""
    for _ in range(TRIES):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        fcntl.flock(handle, fcntl.LOCK_SH)
        status = os.fstat(handle)
        if status.st_nlink and status.st_size == size:
            os.utime(handle)
            return handle
        os.close(handle)
        if status.st_nlink:
            return None
    return None


def _removed(path: Path) -> bool:
    """Remove the file at ``path`` unless somebody reads it; whether it is gone."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except BlockingIOError:
        return False
    except FileNotFoundError:
        pass
    return True
