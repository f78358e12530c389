"""Ingest: notices of the bucket and CloudEvents of other systems come in, and are on record before they are answered.

401 to a bad token; 503 if nothing could be kept, so that the sender tries again; 2xx to everything that was kept, malformed included:
that lies under ``rejected/`` with the reason.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_plus

from flask import Blueprint, Response, request

from events import binding
from events.admission import Admission, Submission
from events.answers import signing
from events.asking import callback_of, submission
from events.binding import InvalidEvent
from events.inbox import Inbox, Written
from events.problems import problem, problem_of
from events.queue.errors import QueueUnavailable
from events.uploads import UploadMissing
from kadr.contracts.errors import InvalidObject, InvalidProfile, KadrError, StoreFailure
from kadr.contracts.keys import jcs, sha256_json
from kadr.storage import layout
from kadr.storage.store import ObjectStore

MAX_BYTES = 4 << 20
ASKS = (binding.REQUESTED, binding.UPLOADED)
"""Types of events that ask for a run."""
Refused = Callable[[str, str, str, binding.Event, KadrError], None]
"""(owner, event id, callback URL, the event, why)."""
WRITTEN = "s3:ObjectCreated:"
"""How the names of events begin that say that an object was written; AWS leaves the s3: out."""
_log = logging.getLogger("kadr.ingest")


def written(body: object) -> Iterator[Written]:
    """The objects that a notice names. Raises ValueError for what is no notice."""
    if not isinstance(body, dict) or not isinstance(body.get("Records"), list):
        raise ValueError("it has no list of Records")
    for record in body["Records"]:
        try:
            event, s3 = str(record["eventName"]), record["s3"]
            found = s3["object"]
            one = Written(
                _text(s3["bucket"]["name"]),
                unquote_plus(_text(found["key"])),
                _text(found.get("eTag") or "").strip('"'),
                _text(found.get("versionId") or ""),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"a record lacks {error}") from error
        if event.removeprefix("s3:").startswith(WRITTEN.removeprefix("s3:")):
            yield one


def _text(told: object) -> str:
    """Raises UnicodeEncodeError, a ValueError, for half of a pair of surrogates, which no name can hold."""
    text = str(told)
    text.encode()
    return text


@dataclass(frozen=True)
class Ingest:
    """What the webhook does."""

    store: ObjectStore
    inbox: Inbox
    admission: Admission
    tell: Callable[[list[str]], None]
    """Hands names of ``state/`` on to the router. Raises QueueUnavailable."""
    token: str
    keys: Callable[[], tuple[signing.Key, ...]] = lambda: ()
    """Who signs an event by one of them may send it."""
    refused: Refused = lambda owner, event_id, callback_url, event, error: None
    """Tells who asked that there will be no run. Raises StoreFailure."""

    def blueprint(self) -> Blueprint:
        made = Blueprint("ingest", __name__)
        made.register_error_handler(KadrError, problem_of)
        made.add_url_rule("/notifications", "notifications", self.notified, methods=["POST"])
        made.add_url_rule("/events", "events", self.event, methods=["POST"])
        return made

    def _refused(self) -> Response | None:
        """MinIO sends ``Bearer TOKEN``, the gateway of JuiceFS says Bearer twice."""
        given = request.headers.get("Authorization", "").split(" ")[-1]
        if self.token and hmac.compare_digest(given.encode(), self.token.encode()):
            return None
        return problem(401, "Unauthorized", "the token is missing or is another", False)

    def notified(self) -> Response:
        """A notice of the bucket's."""
        if refusal := self._refused():
            return refusal
        raw = request.get_data()
        if len(raw) > MAX_BYTES:
            return problem(
                413, "TooLarge", f"a notice of {len(raw)} bytes; at most {MAX_BYTES} are read", False
            )
        try:
            try:
                found = [w for w in written(json.loads(raw or b"{}")) if w.bucket == self.inbox.own]
            except (ValueError, RecursionError) as error:
                return self._rejected(raw, str(error))
            return self._take(found)
        except (StoreFailure, QueueUnavailable) as error:
            return problem(503, error.code, str(error), True, 1)

    def _take(self, found: list[Written]) -> Response:
        state = [w.name for w in found if layout.parse_run(w.name) is not None]
        if state:
            self.tell(state)
        for one in found:
            try:
                self.inbox.dropped(one)
            except StoreFailure:
                raise
            except KadrError as error:  # it lies in the bucket: told again, it would fail again
                _log.warning("%s: %s", one.name, error)
        return Response("", 204)

    def _rejected(self, raw: bytes, why: str) -> Response:
        """Kept with the reason: whoever sent it would send it for ever."""
        text = raw[:MAX_BYTES].decode(errors="replace")
        name = layout.rejected(sha256_json(["rejected", text]))
        self.store.put(name, jcs({"why": why[:1000], "body": text}))
        return Response(json.dumps({"rejected": why[:300]}), 202, content_type="application/json")

    def _unproven(self, raw: bytes) -> Response | None:
        """An event shows by its signature where it comes from, where we have a secret for that; else by the token."""
        keys = self.keys() if signing.SIGNATURE in request.headers else ()
        if not keys:
            return self._refused()
        if not (
            request.mimetype == binding.STRUCTURED
            and not any(n.startswith("Ce-") for n, _ in request.headers)
        ):
            why = f"what is signed is the body alone: send it as {binding.STRUCTURED}"
            return problem(415, "UnsupportedEvent", why, False)
        try:
            signing.check(keys, dict(request.headers), raw)
        except signing.Unproven as error:
            return problem(401, error.code, str(error), False)
        return None

    def event(self) -> Response:
        """A CloudEvent of another system that asks for a run."""
        raw = request.get_data()
        if refusal := self._unproven(raw):
            return refusal
        event: binding.Event | None = None
        try:
            try:
                event = binding.parse(dict(request.headers), raw)
                submission = self._asked(event)
            except binding.UnsupportedEvent as error:
                return problem_of(error)
            except (InvalidEvent, InvalidObject) as error:
                self._tell(event, error)
                return self._rejected(raw, str(error))
            made = self.admission.admit(submission)
        except (InvalidProfile, UploadMissing) as error:
            return self._no_run(event, error)
        except StoreFailure as error:
            return problem(503, error.code, str(error), True, 1)
        said, status = ({"how": "finished"}, 200) if made.finished else ({}, 202)
        body = json.dumps({"run_id": made.request.run_id, **said})
        return Response(body, status, content_type="application/json")

    def _no_run(self, event: binding.Event | None, error: KadrError) -> Response:
        try:
            self._tell(event, error)
        except StoreFailure as away:
            return problem(503, away.code, str(away), True, 1)
        return problem_of(error)

    def _tell(self, event: binding.Event | None, error: KadrError) -> None:
        """If it says to whom: what it asks for is refused. Raises StoreFailure."""
        if event is None or event.type not in ASKS:
            return
        try:
            owner, url = (
                layout.checked_owner(str(event.data.get("user_id") or "")),
                callback_of(event.data.get("callback_url")),
            )
        except (InvalidEvent, InvalidObject):
            return
        if url:
            self.refused(owner, _event_id(event), url, event, error)

    def _asked(self, event: binding.Event) -> Submission:
        if event.type not in ASKS:
            raise InvalidEvent(f"events of type {event.type!r} are not taken here")
        owner = layout.checked_owner(str(event.data.get("user_id") or ""))
        return submission(owner, _event_id(event), event.data)


def _event_id(event: binding.Event) -> str:
    return sha256_json(["event", event.source, event.id])
