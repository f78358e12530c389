"""The API's routes. Every route but health asks for the API key as a bearer token, and shows its owner's runs alone."""

from __future__ import annotations

import hmac
import json
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, request

from kadr.contracts.errors import KadrError, ObjectMissing
from kadr.contracts.keys import jcs
from kadr.contracts.run import Cancelled, Request, RunStatus
from kadr.pipeline.admission import load_objects, read_request, reopen
from kadr.pipeline.catalogue import Catalogue, load
from kadr.pipeline.closing import compile_manifest
from kadr.pipeline.epochs import Stored
from kadr.pipeline.repinning import repinned
from kadr.pipeline.state import RunState, evaluate
from kadr.storage import layout
from kadr.storage.bucket import Bucket
from kadr.storage.store import ObjectStore

REMEMBERED = 200
"""Runs whose objects are kept at hand."""
EXPIRES_S = 3600
PART_BYTES = 64 << 20
MAX_PARTS = 10_000
MAX_BYTES = PART_BYTES * MAX_PARTS
NAME = re.compile(r"(?!\.{1,2}$)[^\x00-\x1f\x7f/\\\ud800-\udfff]{1,200}")
_UPLOAD = re.compile(r"[0-9a-f]{32}")
_DIGITS = re.compile(r"[1-9][0-9]{0,15}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_RUN_ID = re.compile(r"[0-9a-f-]{36}")


class BadRequest(KadrError):
    """The request is not valid."""

    status = 422


class Unauthorized(KadrError):
    """The API key is missing or is another: send it as `Authorization: Bearer KEY`."""

    status = 401


class NotFound(KadrError):
    """There is no such thing here."""

    status = 404


class Conflict(KadrError):
    """That cannot be done now."""

    status = 409


@dataclass(frozen=True)
class Begun:
    """The run that answers. ``finished``: it was there, and has ended."""

    request: Request
    finished: bool = False


Submit = Callable[[str, dict[str, Any], str | None], Begun]
"""(owner, body of POST /v1/runs, its Idempotency-Key if it has one) to the run. Raises KadrErrors."""


@dataclass(frozen=True)
class Api:
    """Routes below /v1."""

    store: ObjectStore
    bucket: Bucket
    submit: Submit
    announce: Callable[[str], None]
    key: str
    owner: str
    catalogue: Catalogue = field(default_factory=load, repr=False)
    _seen: dict[str, Mapping[str, Stored]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def blueprint(self) -> Blueprint:
        made = Blueprint("api", __name__, url_prefix="/v1")
        made.before_request(self.check_key)
        made.register_error_handler(KadrError, problem)
        routes: list[tuple[str, str, Callable[..., Response]]] = [
            ("POST", "/uploads", self.begin_upload),
            ("GET", "/uploads/<upload>", self.upload),
            ("POST", "/uploads/<upload>/complete", self.complete_upload),
            ("POST", "/runs", self.begin_run),
            ("GET", "/runs/<run_id>", self.run),
            ("POST", "/runs/<run_id>/cancel", self.cancel),
            ("POST", "/runs/<run_id>/retry", self.retry),
            ("GET", "/runs/<run_id>/manifest", self.manifest),
        ]
        for method, path, view in routes:
            made.add_url_rule(path, view.__name__, view, methods=[method])
        return made

    def check_key(self) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not self.key or not hmac.compare_digest(given.encode(), self.key.encode()):
            raise Unauthorized

    # -- uploads -----------------------------------------------------------------------------------------------------

    def begin_upload(self) -> Response:
        """Where to put a file: one URL, or with ``parts`` one for each part, which may be asked for again and resumed.

        Each is good for the bytes that were told and no others.
        """
        body = json_body()
        name, size = body.get("name"), body.get("size")
        wrong = []
        if not isinstance(name, str) or not NAME.fullmatch(name):
            wrong.append("name must be a file's name of at most 200 characters, without slashes")
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_BYTES:
            wrong.append(f"size must be the file's bytes, a number of 1 to {MAX_BYTES}")
        if wrong:
            raise BadRequest("; ".join(wrong))
        key = f"{layout.uploads_prefix(self.owner)}{uuid.uuid4().hex}/{name}"
        if size <= PART_BYTES:
            return said(
                201,
                {"key": key, "url": self.bucket.presign_put(key, EXPIRES_S, size), "expires_s": EXPIRES_S},
            )
        upload = self.bucket.begin_upload(key)
        return said(201, self._parts(key, upload, size))

    def upload(self, upload: str) -> Response:
        """What of an upload in parts is there, and URLs for the rest."""
        key, size = self._begun(request.args)
        return said(200, self._parts(key, upload, size))

    def _parts(self, key: str, upload: str, size: int) -> dict[str, Any]:
        there = {part.number: part.size for part in self.bucket.parts(key, upload)}
        # Written anew whenever URLs are asked for: what nobody goes on with is aborted by its age.
        self.store.put(
            layout.upload_begun(self.owner, key.split("/")[-2]), jcs({"key": key, "upload": upload})
        )
        count = -(-size // PART_BYTES)
        urls = {
            n: self.bucket.presign_part(
                key, upload, n, EXPIRES_S, min(PART_BYTES, size - (n - 1) * PART_BYTES)
            )
            for n in range(1, count + 1)
            if n not in there
        }
        return {
            "key": key,
            "upload_id": upload,
            "part_bytes": PART_BYTES,
            "done": sorted(there),
            "parts": urls,
            "expires_s": EXPIRES_S,
        }

    def complete_upload(self, upload: str) -> Response:
        key, size = self._begun(json_body())
        parts = self.bucket.parts(key, upload)
        if sum(part.size for part in parts) != size:
            raise Conflict(
                f"{sum(p.size for p in parts)} of {size} bytes are there: put the rest, then complete it"
            )
        return said(200, {"key": key, "etag": self.bucket.complete_upload(key, upload, parts)})

    def _begun(self, told: Mapping[str, Any]) -> tuple[str, int]:
        """The key and the size of an upload that was begun. Raises BadRequest with all that is wrong."""
        key, size = told.get("key"), told.get("size")
        wrong = [] if self._is_key(key) else ["key must be the one that the upload was begun with"]
        if isinstance(size, bool) or not _DIGITS.fullmatch(str(size)) or int(str(size)) > MAX_BYTES:
            wrong.append(f"size must be the file's bytes, at most {MAX_BYTES}")
        if wrong:
            raise BadRequest("; ".join(wrong))
        return str(key), int(str(size))

    def _is_key(self, told: object) -> bool:
        prefix = layout.uploads_prefix(self.owner)
        if not isinstance(told, str) or not told.startswith(prefix):
            return False
        upload, _, name = told.removeprefix(prefix).partition("/")
        return bool(_UPLOAD.fullmatch(upload) and NAME.fullmatch(name))

    # -- runs --------------------------------------------------------------------------------------------------------

    def begin_run(self) -> Response:
        begun = self.begun(json_body())
        status, more = (RunStatus.COMPLETE, {"how": "finished"}) if begun.finished else (RunStatus.QUEUED, {})
        run_id = begun.request.run_id
        told = {"run_id": run_id, "status": status.value, "url": f"/v1/runs/{run_id}", **more}
        return said(200 if begun.finished else 202, told)

    def begun(self, body: dict[str, Any]) -> Begun:
        """What is asked for; the same run where the same key says that it is asked again."""
        key = request.headers.get("Idempotency-Key")
        if key is not None:
            key = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
            if not _KEY.fullmatch(key):
                raise BadRequest("Idempotency-Key must be 1 to 255 visible ASCII characters")
        return self.submit(self.owner, body, key)

    def state(self, run_id: str) -> tuple[Request, RunState]:
        """Of a run of the owner's. Raises NotFound."""
        if not _RUN_ID.fullmatch(run_id):
            raise NotFound(f"there is no run {run_id[:80]!r}")
        try:
            asked = read_request(self.store, self.owner, run_id)
        except ObjectMissing as error:
            raise NotFound(f"there is no run {run_id}") from error
        return asked, evaluate(asked, self._objects(asked))

    def _objects(self, asked: Request) -> Mapping[str, Stored]:
        """The run's objects. They do not change: who asks every second how far a run is has each read once."""
        with self._lock:
            known = self._seen.pop(asked.run_id, {})
        found = load_objects(self.store, asked, known)
        with self._lock:
            self._seen[asked.run_id] = found
            while len(self._seen) > REMEMBERED:
                self._seen.pop(next(iter(self._seen)))
        return found

    def run(self, run_id: str) -> Response:
        """How far a run is, by stage and component."""
        return said(200, self.told(*self.state(run_id)))

    def told(self, asked: Request, state: RunState) -> dict[str, Any]:
        """What is told of a run; ``ended_ms`` by the store's clock."""
        ended_ms = None
        if state.closed is not None:
            done = layout.done(state.epoch, state.closed.manifest)
            ended_ms = self.store.modified_ms(layout.state_prefix(asked.owner, asked.run_id) + done)
        return {**described(asked, state), "ended_ms": ended_ms}

    def cancel(self, run_id: str) -> Response:
        asked, state = self.state(run_id)
        if state.closed is not None:
            raise Conflict(f"run {run_id} ended already: {state.closed.status.value}")
        name = layout.state_prefix(asked.owner, run_id) + layout.cancelled(state.epoch)
        self.store.put(name, json.dumps(Cancelled(reason="asked for").model_dump(mode="json")).encode())
        self.announce(name)
        return said(202, {"run_id": run_id, "status": RunStatus.CANCELLED.value})

    def retry(self, run_id: str) -> Response:
        """Try again what failed, by the catalogue of today; what succeeded stays where it would be made the same."""
        asked, state = self.state(run_id)
        if state.closed is None or state.closed.status is RunStatus.COMPLETE:
            raise Conflict(
                f"run {run_id} is {state.status.value}: only one that ended with failures is tried again"
            )
        reopen(self.store, asked, state, repinned(asked, state.graph.required, self.catalogue))
        self.announce(layout.state_prefix(asked.owner, run_id) + layout.retry(state.epoch + 1))
        return said(202, {"run_id": run_id, "status": RunStatus.QUEUED.value})

    def manifest(self, run_id: str) -> Response:
        asked, state = self.state(run_id)
        if state.closed is None:
            raise Conflict(f"run {run_id} is {state.status.value}: it has a manifest when it has ended")
        body = self.store.get(layout.manifest(asked.owner, run_id, state.closed.manifest))
        return Response(body, 200, content_type="application/json")


def described(asked: Request, state: RunState) -> dict[str, Any]:
    """A run as people and programs follow it."""
    manifest = compile_manifest(asked, state)
    components = {
        name: {"stage": c.stage, "state": c.state, "reason": c.reason, "error": c.error, "tasks": c.tasks}
        for name, c in manifest.components.items()
    }
    stages: dict[str, dict[str, int]] = {}
    for component in components.values():
        counted = stages.setdefault(component["stage"], {})
        counted[component["state"]] = counted.get(component["state"], 0) + 1
    done = sum(task.state.terminal for task in state.tasks.values())
    failure = state.tasks["acquire"].failure
    return {
        "run_id": asked.run_id,
        "status": state.status.value,
        "video_id": state.video_id,
        "name": asked.source_name,
        "source": asked.source,
        "profile": asked.profile_name,
        "config_hash": asked.config_hash,
        "epoch": state.epoch,
        "created_ms": asked.created_ms,
        "tasks": {"done": done, "known": len(state.tasks), "planned": not state.unplanned},
        "error": {"code": failure.code, "message": failure.message} if failure else None,
        "stages": stages,
        "components": components,
        "manifest": state.closed.manifest if state.closed else None,
        "meta": asked.meta,
    }


def json_body() -> dict[str, Any]:
    try:
        found = json.loads(request.get_data() or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadRequest("the body must be a JSON object")
    return found


def said(status: int, what: dict[str, Any]) -> Response:
    return Response(json.dumps(what), status, content_type="application/json")


def problem(error: KadrError) -> Response:
    body = {
        "type": f"urn:kadr:error:{error.code}",
        "title": error.code,
        "status": error.status,
        "detail": str(error),
        "retryable": error.retryable,
    }
    return Response(json.dumps(body), error.status, content_type="application/problem+json")
