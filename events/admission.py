"""The one admission step in which all entrances end: a submission becomes a run, the same one however often it is told."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from events.messages import about
from kadr.contracts.errors import InvalidProfile, ObjectMissing
from kadr.contracts.faults import first_fault
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.contracts.run import Request
from kadr.pipeline import profiles
from kadr.pipeline.admission import Question, read_request, request_for
from kadr.storage import layout
from kadr.storage.store import ObjectStore

_log = logging.getLogger("kadr.admission")

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


class Admission:
    """Writes request.json; the notice that it was written moves the run on."""

    def __init__(
        self,
        store: ObjectStore,
        question: Callable[[Profile], Question],
        default: Profile,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.store = store
        self.question = question
        self.default = default
        self.announce = announce

    def admit(self, submission: Submission) -> Request:
        """The run that answers. Raises InvalidProfile, StoreFailure."""
        run_id = str(uuid.uuid5(NAMESPACE, f"{submission.owner}/{submission.event_id}"))
        try:
            return read_request(self.store, submission.owner, run_id)
        except ObjectMissing:
            pass
        profile = self.default if submission.profile is None else profile_of(submission.profile)
        asked = self.question(profile)
        request = request_for(asked, submission.name, submission.source, None, submission.owner, run_id)
        request = request.model_copy(
            update={
                "priority": submission.priority,
                "callback_url": submission.callback_url,
                "refresh": submission.refresh,
                "meta": dict(submission.meta),
            }
        )
        name = layout.request(request.owner, run_id)
        self.store.put(name, jcs(request.model_dump(mode="json")))
        _log.info("a run of %s is admitted", request.source_name, extra=about(run_id, request.owner))
        self.announce(name)
        return request


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
