"""Uploads that a run is asked for: there, and pinned to the bytes that lie there, before anything is begun."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qs, unquote, urlsplit

from events.inbox import INBOX, address
from kadr.contracts.errors import KadrError, ObjectMissing
from kadr.storage import layout
from kadr.storage.bucket import Bucket
from kadr.storage.store import ObjectStore


class UploadMissing(KadrError):
    """What was to be uploaded is not there."""

    status = 409


@dataclass(frozen=True)
class Uploads:
    """Finds uploads in the inboxes."""

    store: ObjectStore
    bucket: Bucket

    def pinned(self, owner: str, source: str) -> str:
        """The address with the ETag of what lies there; other addresses as they are. Raises UploadMissing, StoreFailure.

        So who asks twice without one asks about the same bytes, which the second run finds where the first has taken them.
        """
        url = urlsplit(source)
        if url.scheme != INBOX:
            return source
        name, told = unquote(url.path).removeprefix("/"), "etag" in parse_qs(url.query)
        try:
            found = self.bucket.stat(name)
        except ObjectMissing:
            if told and self._taken(owner, source):
                return source
            raise UploadMissing(self._why(owner, name, told)) from None
        return source if told else address(name, found.etag)

    def _taken(self, owner: str, source: str) -> bool:
        """Whether a run about these bytes has taken them over: that one has their alias."""
        hashed = sha256(source.encode()).hexdigest()
        return next(iter(self.store.list(layout.alias_prefix(owner, hashed))), None) is not None

    def _why(self, owner: str, name: str, told: bool) -> str:
        if upload := self._open(owner, name):
            return f"the upload of {name} is not complete: POST /v1/uploads/{upload}/complete"
        more = (
            ""
            if told
            else "; if a run has taken it already, give the etag too, or ask with that run's Idempotency-Key"
        )
        return f"{name} is not there: put the file first{more}"

    def _open(self, owner: str, name: str) -> str | None:
        """The id of the upload in parts that is to become this object."""
        try:
            begun = json.loads(self.store.get(layout.upload_begun(owner, name.split("/")[-2])))
            if begun["key"] != name:
                return None
            self.bucket.parts(name, begun["upload"])
        except (ObjectMissing, ValueError, KeyError, TypeError):
            return None
        return str(begun["upload"])
