"""ObjectStore over a local directory: atomic renames, nothing half-written ever has a name."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kadr.contracts.errors import NoSpaceLeft, ObjectMissing, StoreFailure
from kadr.storage.store import Listed

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
PLACINGS = 5
ABANDONED_S = 60
FOLDER_S = 86_400
"""Folders are not locked: what is fetched into one is there within an hour, or given up."""
"""A temporary file that nobody holds is left alone until it is this old: its maker may be about to lock it."""


@contextmanager
def translated(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(f"object {name} is not in the store") from error
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpaceLeft(f"{NoSpaceLeft.default_message()} ({name}: {error.strerror})") from error
        raise StoreFailure(f"store: {name}: {error.strerror}") from error


@contextmanager
def temporary(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file in ``folder``, of the mode that the user's umask gives. It is removed in the end unless it was moved away.

    While it is open it is locked, by which :meth:`FileStore.sweep` tells it from one whose process was killed.
    """
    path = folder / uuid.uuid4().hex
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            # Where files cannot be locked, nothing is swept either.
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield file, path
    finally:
        path.unlink(missing_ok=True)


class FileStore:
    """The store that ``kadr analyze`` works on. Safe for several processes at once.

    What is said in a video is private: a root that is made here is its user's alone; below it the umask rules.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise StoreFailure(f"not an object name: {name!r}")
        return self.root.joinpath(*parts)

    def scratch(self) -> Path:
        self._make_root()
        path = self.root / "tmp"
        path.mkdir(exist_ok=True)
        return path

    def _make_root(self) -> None:
        if not self.root.is_dir():
            self.root.parent.mkdir(parents=True, exist_ok=True)
            self.root.mkdir(mode=0o700, exist_ok=True)

    def sweep(self) -> int:
        """Remove the temporary files of processes that were killed; how many there were."""
        with translated("tmp/"):
            return sum(_swept(path) for path in self.scratch().iterdir())

    def put(self, name: str, body: bytes) -> None:
        with translated(name), temporary(self.scratch()) as (file, path):
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
            self._place(path, self._path(name))

    def put_file(self, name: str, path: Path) -> None:
        with translated(name):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            self._place(path, self._path(name))

    def _place(self, source: Path, target: Path) -> None:
        self._make_root()
        for attempt in range(PLACINGS):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
                return
            except FileNotFoundError:  # the folder was empty, and a deletion took it away meanwhile
                if attempt == PLACINGS - 1:
                    raise

    def get(self, name: str) -> bytes:
        with translated(name):
            return self._path(name).read_bytes()

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        if not self.exists(name):
            raise ObjectMissing(f"object {name} is not in the store")
        yield self._path(name)

    def exists(self, name: str) -> bool:
        with translated(name), suppress(FileNotFoundError, NotADirectoryError):
            return stat.S_ISREG(self._path(name).stat().st_mode)
        return False

    def list(self, prefix: str) -> Iterator[str]:
        folder = self.root / prefix.rpartition("/")[0]
        found = []
        for where, folders, files in os.walk(folder, onerror=_unlisted):
            base = Path(where).relative_to(self.root).as_posix()
            folders[:] = [f for f in folders if _may_hold(f"{base}/{f}", prefix)]
            found += [name for f in files if (name := f"{base}/{f}").startswith(prefix)]
        return iter(sorted(found))

    def entries(self, prefix: str) -> Iterator[Listed]:
        for name in self.list(prefix):
            with suppress(ObjectMissing), translated(name):  # it may have gone since
                found = self._path(name).stat()
                yield Listed(name, found.st_size, found.st_mtime_ns // 1_000_000)

    def folders(self, prefix: str) -> Iterator[str]:
        with translated(prefix):
            folder = self._path(prefix.removesuffix("/"))
            return iter(sorted(f.name for f in os.scandir(folder) if f.is_dir()) if folder.is_dir() else [])

    def modified_ms(self, name: str) -> int:
        with translated(name):
            return self._path(name).stat().st_mtime_ns // 1_000_000

    def touch(self, name: str) -> None:
        with translated(name):
            os.utime(self._path(name))

    def size(self, name: str) -> int:
        with translated(name):
            return self._path(name).stat().st_size

    def delete(self, name: str) -> None:
        path = self._path(name)
        with translated(name):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # the first folder that holds something else ends it
            for folder in path.parents:
                if folder == self.root:
                    break
                folder.rmdir()


def _unlisted(error: OSError) -> None:
    """A folder that went meanwhile holds nothing; of one that cannot be read nobody knows. Raises StoreFailure."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise StoreFailure(f"store: {error.filename}: {error.strerror}") from error


def _may_hold(folder: str, prefix: str) -> bool:
    return folder.startswith(prefix) or prefix.startswith(f"{folder}/")


def _swept(path: Path) -> bool:
    """Remove the temporary file at ``path`` if it is old and nobody holds it; whether it was."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            return _folder_swept(path)
        if not path.is_file() or time.time() - path.stat().st_mtime < ABANDONED_S:
            return False
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            return True
    return False


def _folder_swept(path: Path) -> bool:
    """The same of a folder, by the newest of what is in it."""
    newest = max((p.lstat().st_mtime for p in (path, *path.rglob("*"))), default=0.0)
    if time.time() - newest < FOLDER_S:
        return False
    shutil.rmtree(path)
    return True
