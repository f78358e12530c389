"""Claims: one key is computed once at a time. Locally a claim is a file lock, which a dying process cannot keep."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from kadr.storage.files import translated


class Claim(Protocol):
    def release(self) -> None: ...


class Claims(Protocol):
    def take(self, key: str) -> Claim | None:
        """The claim to ``key``, or None while somebody else holds it. Raises StoreFailure, NoSpaceLeft."""
        ...


class FileClaims:
    """Claims by ``flock`` on files below ``folder``: for processes of one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, key: str) -> FileClaim | None:
        with translated(f"claim {key}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{key}.lock"
            handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
            held = False
            try:
                held = _locked(handle) and _still_there(handle, path)
            finally:
                if not held:
                    os.close(handle)
        return FileClaim(handle, path) if held else None

    def sweep(self) -> None:
        """Remove the files of claims whose holders were killed."""
        for path in self._folder.glob("*.lock"):
            if (claim := self.take(path.stem)) is not None:
                claim.release()


class FileClaim:
    """A held claim; releasing removes its file while the lock is still held, so that none pile up."""

    def __init__(self, handle: int, path: Path) -> None:
        self._handle = handle
        self._path = path

    def release(self) -> None:
        """Give the claim up; whatever goes wrong, it is given up."""
        try:
            with translated(f"claim {self._path.stem}"):
                self._path.unlink(missing_ok=True)
        finally:
            os.close(self._handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_there(handle: int, path: Path) -> bool:
    """Whether the locked file is the one that has the name now: a former holder may have removed it meanwhile."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
