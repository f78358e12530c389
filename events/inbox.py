"""Files that were dropped into an inbox: told by the bucket, or found there by the reconciler."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from events.admission import Admission, Submission
from kadr.contracts.errors import KadrError, ObjectMissing
from kadr.contracts.keys import sha256_json
from kadr.contracts.run import Request
from kadr.storage import layout
from kadr.storage.bucket import Bucket
from kadr.storage.store import ObjectStore

INBOX = "kadr"
"""The scheme of addresses in Kadr's own inbox: kadr:///inbox/OWNER/NAME?etag=…"""
PREFIX = "inbox/"
FORM = "inbox/OWNER/NAME, OWNER of small letters, digits, - and _"
NOTED = 1000
TOLD_MS = 30_000
"""What is younger is about to be told of."""


@dataclass(frozen=True)
class Written:
    """An object that was written to the bucket."""

    bucket: str
    name: str
    etag: str
    version: str


def address(name: str, etag: str = "") -> str:
    """The address of an object of the inbox, pinned where the ETag is known."""
    return f"{INBOX}:///{quote(name)}" + (f"?etag={quote(etag, safe='')}" if etag else "")


@dataclass(frozen=True)
class Inbox:
    """Asks for a run for each file, the same one by whichever way it is learnt."""

    store: ObjectStore
    bucket: Bucket
    own: str
    """The bucket's name."""
    admission: Admission
    note: Callable[[str], None] = lambda _: None
    _asked: dict[str, int] = field(default_factory=dict, repr=False)
    """When what lies there was written, of what was asked about: what stays there costs no more than the listing."""

    _noted: set[str] = field(default_factory=set, repr=False)
    """Folders in which nothing can begin a run: each is told of once."""

    def dropped(self, one: Written) -> Request | None:
        """Ask for a run about ``one``; None if it lies in no inbox. Raises InvalidProfile, StoreFailure."""
        if one.bucket != self.own or not layout.starts_run(one.name):
            return None
        submission = Submission(
            owner=layout.owner_of_inbox(one.name) or "",
            source=address(one.name, one.etag),
            name=one.name.rpartition("/")[2],
            event_id=sha256_json(["inbox", one.bucket, one.name, one.version or one.etag]),
            seen=True,
        )
        return self.admission.admit(submission).request

    def sweep(self) -> None:
        """Ask about what lies there and was not told of, or was told while nobody listened. Raises StoreFailure."""
        now_ms = time.time_ns() // 1_000_000
        known = {}
        for listed in self.store.entries(PREFIX):
            if not layout.starts_run(listed.name):
                self._nobodys(listed.name)
                continue
            if self._asked.get(listed.name) == listed.modified_ms or self._looked(listed.name, now_ms):
                known[listed.name] = listed.modified_ms
        self._asked.clear()
        self._asked.update(known)

    def _nobodys(self, name: str) -> None:
        """Say of what was put where no owner can be that no run will come of it."""
        folder = name.rpartition("/")[0]
        if layout.owner_of_inbox(name) is None and folder not in self._noted and len(self._noted) < NOTED:
            self._noted.add(folder)
            self.note(f"{name}: no run is begun, as no owner's name is like that: put it at {FORM}")

    def _looked(self, name: str, now_ms: int) -> bool:
        """Whether it was asked about, and is so old that whatever is put in its place will be younger."""
        try:
            found = self.bucket.stat(name)
            age_ms = now_ms - found.modified_ms
            # By the store's clock it may come from the future: then nobody knows how old it is.
            if not 0 <= age_ms <= TOLD_MS:
                self.dropped(Written(self.own, name, found.etag, found.version or ""))
            return age_ms > TOLD_MS
        except ObjectMissing:  # it was taken over meanwhile
            return False
        except KadrError as error:
            self.note(f"{name}: {error}")
            return False
