"""What only the service asks of a bucket: signed URLs and uploads of users, and videos read where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class Pinned:
    """One object as it was when it was looked at; reads by it fail once another is in its place."""

    name: str
    size: int
    etag: str
    version: str | None
    """None where the bucket keeps no versions."""
    modified_ms: int


@dataclass(frozen=True)
class UploadPart:
    number: int
    """From 1."""
    size: int
    etag: str


class Reader(Protocol):
    """Reads the objects of one bucket, ours or a user's own, and never writes."""

    def stat(self, name: str, version: str | None = None) -> Pinned:
        """Pin the newest version, or the one named. Raises ObjectMissing, StoreFailure."""
        ...

    def read_range(self, pinned: Pinned, offset: int, length: int) -> bytes:
        """At most ``length`` bytes; fewer only at the end. Raises VideoChanged, StoreFailure."""
        ...

    def open_ranged(self, pinned: Pinned) -> BinaryIO:
        """A seekable file over :meth:`read_range`, of bounded memory."""
        ...


class Bucket(Reader, Protocol):
    """Our own bucket. Signing asks nobody: its URLs are for the public endpoint, which may not be reachable from here."""

    def presign_put(self, name: str, expires_s: int, size: int | None = None) -> str:
        """``size``: a body of any other length is refused."""
        ...

    def begin_upload(self, name: str) -> str:
        """The id of a new upload in parts. All parts but the last must be 5 MiB or more."""
        ...

    def presign_part(
        self, name: str, upload: str, number: int, expires_s: int, size: int | None = None
    ) -> str: ...

    def parts(self, name: str, upload: str) -> list[UploadPart]:
        """What of an upload is there, by number. Raises ObjectMissing if it is not open (any more)."""
        ...

    def complete_upload(self, name: str, upload: str, parts: Sequence[UploadPart]) -> str:
        """Make the parts one object and give its ETag. Raises ObjectMissing if the upload is not open (any more)."""
        ...

    def abort_upload(self, name: str, upload: str) -> None:
        """Forget the upload and its parts; nothing happens if it is not open."""
        ...

    def copy(self, source: Pinned, target: str) -> None:
        """Copy inside the store, of any size; the bytes do not come here. Raises VideoChanged, ObjectMissing."""
        ...

    def notify(self, prefixes: Sequence[str], arn: str) -> None:
        """Tell the webhook ``arn`` of every object that is written below ``prefixes``, and of nothing else."""
        ...
