"""Claims: one key is computed once at a time. Locally a claim is a file lock, which a dying process cannot keep."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from kadr.contracts.errors import ObjectMissing
from kadr.storage.files import translated

SWEEPINGS, SWEEPING_S = 100, 0.005
"""How often :meth:`FileClaims.take` tries while a sweep has its file, and how long after each."""


class Claim(Protocol):
    def held(self) -> bool:
        """Whether it is certain that nobody else has held it since it was taken."""
        ...

    def release(self) -> None: ...


class Claims(Protocol):
    def take(self, key: str) -> Claim | None:
        """The claim to ``key``, or None while somebody else holds it. Raises StoreFailure, NoSpaceLeft."""
        ...


class FileClaims:
    """Claims by ``flock`` on files below ``folder``: for processes of one machine.

    Holders lock exclusively; who only looks whether there is one locks shared, so a taker can tell them apart.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, key: str) -> FileClaim | None:
        path = self._folder / f"{key}.lock"
        with translated(f"claim {key}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            for _ in range(SWEEPINGS):
                handle, free = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666), True
                held = False
                try:
                    held = _locked(handle, fcntl.LOCK_EX) and _still_there(handle, path)
                    free = held or _locked(handle, fcntl.LOCK_SH)
                finally:
                    if not held:
                        os.close(handle)
                if held:
                    return FileClaim(handle, path)
                if not free:
                    return None
                time.sleep(SWEEPING_S)
        return None

    def is_held(self, key: str) -> bool:
        """Whether somebody holds the claim to ``key``; looking never keeps anybody from taking it."""
        path = self._folder / f"{key}.lock"
        try:
            with translated(f"claim {key}"), path.open("rb") as file:
                return not _locked(file.fileno(), fcntl.LOCK_SH) and _still_there(file.fileno(), path)
        except ObjectMissing:
            return False

    def sweep(self) -> None:
        """Remove the files of claims whose holders were killed; one process at a time may."""
        for path in self._folder.glob("*.lock"):
            with suppress(ObjectMissing), translated(f"claim {path.stem}"), path.open("rb") as file:
                if _locked(file.fileno(), fcntl.LOCK_SH) and _still_there(file.fileno(), path):
                    path.unlink()


class FileClaim:
    """A held claim; releasing removes its file while the lock is still held, so that none pile up."""

    def __init__(self, handle: int, path: Path) -> None:
        self._handle = handle
        self._path = path

    def held(self) -> bool:
        """Always: it ends with this process."""
        return True

    def release(self) -> None:
        """Give the claim up; whatever goes wrong, it is given up."""
        try:
            with translated(f"claim {self._path.stem}"):
                self._path.unlink(missing_ok=True)
        finally:
            os.close(self._handle)


def _locked(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_there(handle: int, path: Path) -> bool:
    """Whether the locked file is the one that has the name now: a former holder may have removed it meanwhile."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
