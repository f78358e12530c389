"""``acquire``: binds a run to the bytes that it looks at, hashing them where they lie, and takes them over.

It is the one task without a key: its record names the video. An upload is copied inside the store under the name that its content
decides; what lies in a user's own bucket stays there and is referred to, pinned; what is behind a URL is fetched through the egress
proxy, unless it was fetched not long ago.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from flask import Response

from events import binding
from events.egress.errors import NetworkTrouble
from events.egress.urls import shown
from events.inbox import INBOX
from events.problems import problem, problem_of
from events.sources import Sources
from kadr.contracts.errors import (
    InvalidObject,
    KadrError,
    ObjectMissing,
    VideoChanged,
    VideoUnavailable,
    VideoUnreadable,
)
from kadr.contracts.keys import jcs
from kadr.contracts.run import ACQUIRE, NO_KEY, Request
from kadr.pipeline.admission import found_objects, read_request
from kadr.pipeline.failing import give_up
from kadr.pipeline.messages import Finished
from kadr.pipeline.recording import record_acquired
from kadr.pipeline.spec import ObjectRef
from kadr.pipeline.state import evaluate
from kadr.storage import layout
from kadr.storage.bucket import Bucket
from kadr.storage.files import translated
from kadr.storage.store import ObjectStore

WEB = ("https", "http")
PIECE = 8 << 20
DAY_MS = 86_400_000

Fetch = Callable[[str, Path], Path]
"""(URL, folder) to the file that was fetched into it. Raises VideoUnavailable, NetworkTrouble, OSError."""
Found = tuple[str, dict[str, Any] | None]
"""The video, and what its alias is to say of it; None: there is one."""


def no_way_out(url: str, folder: Path) -> Path:
    """Nothing is ever fetched past the proxy."""
    raise NetworkTrouble(
        f"{shown(url)}: nothing is fetched without an egress proxy: KADR_EGRESS_PROXY names it"
    )


@dataclass(frozen=True)
class Acquire:
    """The function ``acquire``; answers as :class:`events.function.Function` does."""

    store: ObjectStore
    bucket: Bucket
    sources: Sources
    own: str
    """The name of Kadr's bucket."""
    announce: Callable[[str], None] = lambda _: None
    fetch: Fetch = no_way_out

    def take(self, event: binding.Event) -> Response:
        try:
            owner, run_id = str(event.data["user_id"]), str(event.data["run_id"])
            epoch = int(event.data["acquire"]["epoch"])
            asked = read_request(self.store, owner, run_id)
        except (KeyError, TypeError, ValueError) as error:
            return problem(422, "InvalidTask", f"this is no acquire task: {error}", False)
        except (ObjectMissing, InvalidObject) as error:
            return problem(422, error.code, str(error), False)
        failed: dict[str, str] = {}
        try:
            name = self.acquire(asked, epoch)
        except (VideoUnavailable, VideoUnreadable, VideoChanged, ObjectMissing) as error:
            done = Finished(ticket=0, code=error.code, message=str(error))
            below, _ = give_up(self.store, owner, run_id, epoch, ACQUIRE, NO_KEY, done, 1)
            name = layout.state_prefix(owner, run_id) + below
            failed = {"failed": error.code, "message": str(error)}
        except KadrError as error:
            return problem_of(error)
        self.announce(name)
        return Response(json.dumps({"record": name, **failed}), 200, content_type="application/json")

    def acquire(self, request: Request, epoch: int) -> str:
        """The name of the record.

        Raises VideoUnavailable, VideoUnreadable, VideoChanged, ObjectMissing, and, to be tried again, NetworkTrouble, StoreFailure.
        """
        prefix = layout.state_prefix(request.owner, request.run_id)
        state = evaluate(request, found_objects(self.store, request))
        if state.video_id is not None:
            self._clear(request, state.video_id)
            return prefix + (state.tasks[ACQUIRE].record_name or "")
        web = urlsplit(request.source).scheme in WEB
        video_id, alias = self._from_web(request) if web else self._from_store(request)
        # Source, marker, alias, record: whatever is found by a later one has the earlier ones.
        self.store.put(layout.run_marker(request.owner, video_id, request.run_id), b"{}")
        if alias is not None:
            name = layout.alias(request.owner, _hashed(request.source), video_id)
            self.store.put(name, jcs({"uri": request.source, **alias}))
        known = request.model_copy(update={"video_id": video_id})
        record = record_acquired(self.store, known, epoch)
        self._clear(request, video_id)
        return prefix + layout.record_ok(epoch, record.task, record.key, record.digest)

    def _clear(self, request: Request, video_id: str) -> None:
        """What was taken over leaves the inbox; what was put in its place meanwhile stays, for a run of its own."""
        if urlsplit(request.source).scheme != INBOX:
            return
        name = _inbox_name(request.source)
        alias = layout.alias(request.owner, _hashed(request.source), video_id)
        with suppress(ObjectMissing, ValueError):
            if self.bucket.stat(name).etag == json.loads(self.store.get(alias)).get("etag"):
                self.store.delete(name)

    def _from_store(self, request: Request) -> Found:
        try:
            ref = self._located(request)
        except ObjectMissing:
            if (taken := self._taken_over(request)) is None:
                raise
            return taken, None
        if ref.size == 0:
            raise VideoUnreadable(f"{request.source_name} is empty (0 bytes)")
        video_id = self._hash(ref)
        self._take_over(request, ref, video_id)
        return video_id, {"size": ref.size, "etag": ref.etag}

    def _taken_over(self, request: Request) -> str | None:
        """The video of an upload that is not in the inbox any more: another run about it, asked for again as an answer was lost,
        has taken it over. The ETag in its address says that it is the same."""
        url = urlsplit(request.source)
        if url.scheme != INBOX or "etag" not in parse_qs(url.query):
            return None
        names = self.store.list(layout.alias_prefix(request.owner, _hashed(request.source)))
        videos = sorted(v for name in names if (v := layout.video_id_of(name)) is not None)
        return next((v for v in videos if self.store.exists(layout.video_source(request.owner, v))), None)

    def _from_web(self, request: Request) -> Found:
        if video_id := self._known(request):
            return video_id, None
        with translated(request.source_name), tempfile.TemporaryDirectory(dir=self.store.scratch()) as folder:
            path = self.fetch(request.source, Path(folder))
            if (size := path.stat().st_size) == 0:
                raise VideoUnreadable(f"{shown(request.source)} is empty (0 bytes)")
            with path.open("rb") as file:
                video_id = hashlib.file_digest(file, "sha256").hexdigest()
            name = layout.video_source(request.owner, video_id)
            if not self.store.exists(name):
                self.store.put_file(name, path)
        return video_id, {"size": size}

    def _known(self, request: Request) -> str | None:
        """What the URL led to when it was last fetched, if that was not long before this run was asked for, by the store's clock."""
        if request.cache_ttl_days == 0:
            return None
        names = self.store.list(layout.alias_prefix(request.owner, _hashed(request.source)))
        seen = {name: self.store.modified_ms(name) for name in names}
        newest = max(seen, key=lambda name: (seen[name], name), default=None)
        if newest is None or (video_id := layout.video_id_of(newest)) is None:
            return None
        if request.cache_ttl_days is not None:
            asked_ms = self.store.modified_ms(layout.request(request.owner, request.run_id))
            if asked_ms - seen[newest] >= request.cache_ttl_days * DAY_MS:
                return None
        return video_id if self.store.exists(layout.video_source(request.owner, video_id)) else None

    def _located(self, request: Request) -> ObjectRef:
        url = urlsplit(request.source)
        pins = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.scheme == INBOX:
            name = _inbox_name(request.source)
            if not name.startswith(layout.inbox_prefix(request.owner)):
                raise VideoUnavailable(f"{name} is not in the inbox of {request.owner}")
            ref = self.sources.pinned(self.bucket.stat(name))
        elif url.scheme == "s3":
            if url.netloc == self.own:
                raise VideoUnavailable(
                    f"{shown(request.source)}: {self.own} is Kadr's own bucket, where others' videos lie"
                )
            reader = self.sources.readers(url.netloc)
            found = reader.stat(unquote(url.path).removeprefix("/"), pins.get("versionId"))
            ref = self.sources.pinned(found, url.netloc)
        else:
            raise VideoUnavailable(
                f"{shown(request.source)}: videos behind {url.scheme} addresses are not fetched"
            )
        if pins.get("etag", ref.etag) != ref.etag:
            raise VideoChanged(f"{request.source_name} is another file now than when it was submitted")
        return ref

    def _hash(self, ref: ObjectRef) -> str:
        digest, at = hashlib.sha256(), 0
        while at < ref.size:
            piece = self.sources.read(ref, at, min(PIECE, ref.size - at))
            if not piece:
                raise VideoChanged(f"{ref.name} ended at byte {at} of {ref.size}")
            digest.update(piece)
            at += len(piece)
        return digest.hexdigest()

    def _take_over(self, request: Request, ref: ObjectRef, video_id: str) -> None:
        if ref.bucket:
            self.sources.refer(request.owner, video_id, ref)
            return
        name = layout.video_source(request.owner, video_id)
        if not self.store.exists(name):
            self.bucket.copy(self.bucket.stat(ref.name, ref.version or None), name)


def _inbox_name(source: str) -> str:
    return unquote(urlsplit(source).path).removeprefix("/")


def _hashed(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()
