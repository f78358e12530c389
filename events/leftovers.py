"""What nobody comes back for: uploads that no run was asked for, parts of broken-off uploads, refused events, half a fetch."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from urllib.parse import unquote, urlsplit

from events.inbox import INBOX
from events.reconciler import is_closed
from kadr.contracts.errors import InvalidObject, KadrError, ObjectMissing
from kadr.pipeline.admission import read_request
from kadr.storage import layout
from kadr.storage.bucket import Bucket
from kadr.storage.store import ObjectStore

_log = logging.getLogger("kadr.leftovers")

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
UPLOADS_MS = DAY_MS
"""A URL to upload by is good for an hour, and whoever is still sending asks for new ones."""
REJECTED_MS = 30 * DAY_MS
"""As long as notes of errors are kept."""


@dataclass
class Leftovers:
    """Looked for once an hour, by listings alone while nothing is old."""

    store: ObjectStore
    bucket: Bucket
    scratch: Callable[[], int] = lambda: 0
    """Removes what killed processes of this machine left on its way into the store."""
    _next_at: float = field(default=-math.inf, repr=False)

    def sweep(self) -> None:
        """A pass if one is due. That it fails keeps nobody from anything: the next one goes on."""
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + HOUR_MS / 1000
        try:
            if gone := self.once(time.time_ns() // 1_000_000):
                _log.info("removed %d objects that nobody came back for", gone)
        except KadrError as error:
            _log.warning("what nobody came back for stays: %s", error)

    def once(self, now_ms: int) -> int:
        """How many objects went. Raises StoreFailure."""
        self.scratch()
        rejected = self._old(layout.ALL_REJECTED, now_ms - REJECTED_MS)
        uploads = [n for n in self._old(layout.ALL_INBOXES, now_ms - UPLOADS_MS) if layout.waits_for_run(n)]
        begun = self._old(layout.ALL_BEGUN, now_ms - UPLOADS_MS)
        if uploads:
            wanted = self._wanted()
            uploads = [name for name in uploads if name not in wanted]
        for name in begun:
            self._abort(name)
        for name in (*rejected, *uploads, *begun):
            self.store.delete(name)
        return len(rejected) + len(uploads) + len(begun)

    def _old(self, prefix: str, until_ms: int) -> list[str]:
        return [found.name for found in self.store.entries(prefix) if found.modified_ms <= until_ms]

    def _abort(self, name: str) -> None:
        """Nothing happens to an upload that was completed."""
        with suppress(ObjectMissing, ValueError, KeyError, TypeError):
            told = json.loads(self.store.get(name))
            self.bucket.abort_upload(str(told["key"]), str(told["upload"]))

    def _wanted(self) -> set[str]:
        """The uploads that open runs name."""
        found: set[str] = set()
        runs = (run for name in self.store.list(layout.ALL_STATE) if (run := layout.parse_run(name)))
        for (owner, run_id), names in groupby(runs, key=lambda run: run[:2]):
            if is_closed([below for _, _, below in names]):
                continue
            with suppress(ObjectMissing, InvalidObject):
                url = urlsplit(read_request(self.store, owner, run_id).source)
                if url.scheme == INBOX:
                    found.add(unquote(url.path).removeprefix("/"))
        return found
