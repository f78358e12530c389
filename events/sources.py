"""Where the bytes of a run's video lie, and how they are read: in Kadr's own bucket, or in a user's, pinned and never written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.keys import jcs
from kadr.contracts.run import Request
from kadr.pipeline.spec import ObjectRef
from kadr.storage import layout
from kadr.storage.bucket import Bucket, Pinned, Reader
from kadr.storage.store import ObjectStore

Readers = Callable[[str], Reader]
"""The name of somebody's bucket to what reads it."""


class Sources:
    """Finds and reads videos."""

    def __init__(self, store: ObjectStore, bucket: Bucket, readers: Readers) -> None:
        self.store = store
        self.bucket = bucket
        self.readers = readers

    def __call__(self, request: Request, video_id: str) -> ObjectRef:
        """The video of a run. Raises ObjectMissing."""
        try:
            return self.pinned(self.bucket.stat(layout.video_source(request.owner, video_id)))
        except ObjectMissing:
            return self._referred(request.owner, video_id)

    @staticmethod
    def pinned(found: Pinned, bucket: str = "") -> ObjectRef:
        return ObjectRef(found.name, found.size, found.etag, bucket, found.version or "")

    def _referred(self, owner: str, video_id: str) -> ObjectRef:
        name = layout.video_reference(owner, video_id)
        try:
            return ObjectRef(**json.loads(self.store.get(name)))
        except (ValueError, TypeError) as error:
            raise InvalidObject(f"{name} does not say where the video lies: {error}") from error

    def refer(self, owner: str, video_id: str, ref: ObjectRef) -> None:
        """Remember that the video lies in somebody's bucket."""
        self.store.put(layout.video_reference(owner, video_id), jcs(asdict(ref)))

    def read_range(self, source: str, offset: int, length: int) -> bytes:
        """At most ``length`` bytes of the source that the JSON ``source`` names. Raises VideoChanged, StoreFailure."""
        ref = ObjectRef(**json.loads(source))
        return self.read(ref, offset, length)

    def read(self, ref: ObjectRef, offset: int, length: int) -> bytes:
        reader: Reader = self.readers(ref.bucket) if ref.bucket else self.bucket
        return reader.read_range(Pinned(ref.name, ref.size, ref.etag, ref.version or None, 0), offset, length)
