"""The one admission step in which all entrances end: a submission becomes a run, the same one however often it is told."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from events.messages import about
from kadr.contracts.errors import InvalidObject, InvalidProfile, KadrError, ObjectMissing
from kadr.contracts.faults import first_fault
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.contracts.run import Request
from kadr.pipeline import profiles
from kadr.pipeline.admission import Question, read_request, request_for
from kadr.pipeline.graph import same_work
from kadr.storage import layout
from kadr.storage.store import ObjectStore

_log = logging.getLogger("kadr.admission")

Finished = Callable[[str, str, str, int | None], str | None]
"""(owner, source, config_hash, days) to the id of the run that has answered this question completely, within these days."""

Pinned = Callable[[str, str], str]
"""(owner, source) to the address with what pins the bytes that lie there now. Raises KadrErrors where there are none."""

NAMESPACE = uuid.UUID("6b616472-0000-5000-8000-72756e000000")
"""Of run ids that are made from the id of the event that asked for the run."""


@dataclass(frozen=True)
class Submission:
    """What came in by any entrance. ``event_id`` is derived: a repeat has the same and makes no second run."""

    owner: str
    source: str
    name: str
    event_id: str
    profile: str | Mapping[str, Any] | None = None
    """A built-in profile's name, a profile that is spelt out, or None: the default one."""
    priority: int = 5
    callback_url: str | None = None
    refresh: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)
    exact: bool = False
    """The id is of the caller's own making: to ask something else under it is refused."""
    seen: bool = False
    """The video was just seen where it lies: nobody need look."""


class KeyReused(KadrError):
    """Under this Idempotency-Key something else was asked before: send a new key with a new question."""

    status = 422


@dataclass(frozen=True)
class Admitted:
    """The run that answers. ``finished``: it was there, and has ended; nothing was begun, and nobody will be told of it."""

    request: Request
    finished: bool = False


class Admission:
    """Writes request.json; the notice that it was written moves the run on."""

    def __init__(
        self,
        store: ObjectStore,
        question: Callable[[Profile], Question],
        default: Profile,
        announce: Callable[[str], None] = lambda _: None,
        finished: Finished = lambda owner, source, config_hash, days: None,
        pinned: Pinned = lambda owner, source: source,
    ) -> None:
        self.store = store
        self.question = question
        self.default = default
        self.announce = announce
        self.finished = finished
        self.pinned = pinned

    def admit(self, submission: Submission) -> Admitted:
        """The run that answers. Raises InvalidProfile, StoreFailure, KeyReused, UploadMissing."""
        run_id = str(uuid.uuid5(NAMESPACE, f"{submission.owner}/{submission.event_id}"))
        try:
            before = read_request(self.store, submission.owner, run_id)
        except ObjectMissing:
            before = None
        if before is not None and not submission.exact:
            return Admitted(before)
        if before is not None:
            if not _same(before, self._drafted(submission, run_id)):
                raise KeyReused
            return Admitted(before)
        if not submission.seen:
            submission = replace(submission, source=self.pinned(submission.owner, submission.source))
        request = self._drafted(submission, run_id)
        if (found := self._finished(request)) is not None:
            _log.info("a run of %s is there", found.source_name, extra=about(found.run_id, found.owner))
            return Admitted(found, finished=True)
        name = layout.request(request.owner, run_id)
        self.store.put(name, jcs(request.model_dump(mode="json")))
        _log.info("a run of %s is admitted", request.source_name, extra=about(run_id, request.owner))
        self.announce(name)
        return Admitted(request)

    def _drafted(self, submission: Submission, run_id: str) -> Request:
        profile = self.default if submission.profile is None else profile_of(submission.profile)
        asked = self.question(profile)
        request = request_for(asked, submission.name, submission.source, None, submission.owner, run_id)
        return request.model_copy(
            update={
                "priority": submission.priority,
                "callback_url": submission.callback_url,
                "refresh": submission.refresh,
                "meta": dict(submission.meta),
            }
        )

    def _finished(self, request: Request) -> Request | None:
        """A finished run of the same question that is fresh. Who names a callback is told by it, and is given a run of its own."""
        if (
            request.refresh
            or request.callback_url
            or request.cache_ttl_days == 0
            or not _stands(request.source)
        ):
            return None
        at = (request.source, request.config_hash, request.cache_ttl_days)
        if (run_id := self.finished(request.owner, *at)) is None:
            return None
        try:
            found = read_request(self.store, request.owner, run_id)
        except (ObjectMissing, InvalidObject):
            return None
        return found if same_work(found.graph, request.graph) else None


def _stands(source: str) -> bool:
    """Whether an address means the same bytes each time, or is a URL, of which the profile says how long it does."""
    url = urlsplit(source)
    return url.scheme in ("https", "http") or (url.scheme == "s3" and "versionId" in parse_qs(url.query))


def _same(before: Request, now: Request) -> bool:
    """Whether the same is asked; an upload was pinned when it was asked about first, if it came without an ETag."""
    asked, again = _asked(before), _asked(now)
    if "?" not in now.source and before.source.startswith(f"{now.source}?etag="):
        again["source"] = asked["source"]
    return asked == again


def _asked(request: Request) -> dict[str, Any]:
    """What somebody asked for, without what was made of it."""
    named = {"source", "source_name", "config_hash", "priority", "callback_url", "refresh", "meta"}
    return {**request.model_dump(mode="json", include=named), "required": request.graph.required}


def profile_of(named: str | Mapping[str, Any]) -> Profile:
    """A built-in profile by its name, or one that is spelt out. Never a file: names come from strangers. Raises InvalidProfile."""
    if isinstance(named, str):
        known = sorted(p.stem for p in profiles.FOLDER.glob("*.toml"))
        if named not in known:
            raise InvalidProfile(f"there is no profile {named[:80]!r}: name one of {', '.join(known)}")
        return profiles.load_profile(named)
    try:
        return Profile.model_validate(dict(named))
    except ValidationError as error:
        raise InvalidProfile(f"the profile is not valid: {first_fault(error)}") from error
