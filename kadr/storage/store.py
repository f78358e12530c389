"""The object store's port. Objects are immutable: written once, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol


class Listed(NamedTuple):
    """One object as a listing tells it: all that a request of its own would."""

    name: str
    size: int
    modified_ms: int
    """By the store's clock, in ms since the epoch."""


class ObjectStore(Protocol):
    """Names are ``/``-separated, relative, without empty or dotted parts."""

    def put(self, name: str, body: bytes) -> None:
        """Write ``body``; readers see all of it or nothing. Raises StoreFailure, NoSpaceLeft."""
        ...

    def put_file(self, name: str, path: Path) -> None:
        """Move the file at ``path`` into the store as ``name``."""
        ...

    def get(self, name: str) -> bytes:
        """The object's bytes. Raises ObjectMissing, StoreFailure."""
        ...

    def local(self, name: str) -> AbstractContextManager[Path]:
        """A readable local path with the object's bytes while the context lasts. Raises ObjectMissing."""
        ...

    def exists(self, name: str) -> bool:
        """Whether it is there. Raises StoreFailure when that cannot be told."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Names that begin with ``prefix``, sorted: all of them, or StoreFailure."""
        ...

    def entries(self, prefix: str) -> Iterator[Listed]:
        """The same with their sizes and times, for no more requests."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """What names go on with after ``prefix``, which ends in ``/``, up to the next one, sorted. A server may tell of empty ones."""
        ...

    def modified_ms(self, name: str) -> int:
        """When the object was written, by the store's clock, in ms since the epoch. Raises ObjectMissing."""
        ...

    def touch(self, name: str) -> None:
        """Make it as if the object were written now. Raises ObjectMissing."""
        ...

    def size(self, name: str) -> int:
        """Its bytes. Raises ObjectMissing."""
        ...

    def delete(self, name: str) -> None:
        """Remove the object; nothing happens if it is not there."""
        ...

    def scratch(self) -> Path:
        """A directory on the store's side of the machine for files on their way into it."""
        ...
