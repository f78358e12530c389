"""The only place that spells object names. docs/objects.md explains each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kadr.contracts.errors import InvalidObject
from kadr.contracts.keys import SHORT

LOCAL_OWNER = "local"
_STATE = re.compile(
    r"^(?P<epoch>[1-9]\d*)/(?P<task>[a-z][a-z0-9_]*(?:\.[0-9a-f]{8}-\d{4})?)"
    r"\.(?P<key>[0-9a-f]{16})(?:\.(?P<digest>[0-9a-f]{16})\.ok|\.failed)\.json$"
)
_MARK = re.compile(
    r"^(?P<what>retry|cancelled|done)\.(?P<epoch>[1-9]\d*)(?:\.(?P<digest>[0-9a-f]{64}))?\.json$"
)


_RESULT = re.compile(
    r"^results/[^/]+/(?P<video_id>[^/]+)/(?P<component>[^/]+)/(?P<key>[0-9a-f]{64})/(?P<digest>[0-9a-f]{64})\.(?:json|npz)$"
)
_OF_RUN = re.compile(
    r"^(?:(?:state|runs)/[^/]+/(?P<run>[^/.][^/]*)/.+|videos/[^/]+/[^/]+/runs/(?P<marked>[^/.][^/]*))$"
)
_ALIAS = re.compile(r"^aliases/(?P<owner>[^/]+)/(?P<source>[^/]+)/(?P<video_id>[0-9a-f]{64})\.json$")
_VIDEO = re.compile(r"^videos/(?P<owner>[^/]+)/(?P<video_id>[0-9a-f]{64})/source(?:\.ref\.json)?$")
_OF_STATE = re.compile(r"^state/(?P<owner>[^/]+)/(?P<run_id>[^/.][^/]*)/(?P<rest>.+)$")
_OWED = re.compile(
    r"^outbox/(?P<owner>[^/]+)/(?P<run_id>[^/]+)/(?P<event>[0-9a-f]{64})\.(?P<target>[0-9a-f]{16})\.json$"
)
ALL_STATE, ALL_VIDEOS, ALL_ALIASES, ALL_OWED = "state/", "videos/", "aliases/", "outbox/"
ALL_INBOXES, ALL_BEGUN, ALL_REJECTED = "inbox/", "begun/", "rejected/"
"""Of all owners."""


def inbox_prefix(owner: str) -> str:
    """Where users write."""
    return f"inbox/{owner}/"


def uploads_prefix(owner: str) -> str:
    """Where the API lets files be put that a run is asked for afterwards: what is written there starts none by itself."""
    return f"{inbox_prefix(owner)}.uploads/"


def upload_begun(owner: str, upload: str) -> str:
    """That an upload in parts was begun: which servers tell of to nobody who cannot name it."""
    return f"{ALL_BEGUN}{owner}/{upload}.json"


_OWNER = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def checked_owner(owner: str) -> str:
    """``owner`` if it can be one. Raises InvalidObject."""
    if not _OWNER.fullmatch(owner):
        raise InvalidObject(
            f"{owner[:80]!r} is no owner: it must be lowercase letters, digits, - and _, at most 63 of them"
        )
    return owner


def rejected(event_id: str) -> str:
    """Malformed, with the reason."""
    return f"{ALL_REJECTED}{event_id}.json"


def owner_of_inbox(name: str) -> str | None:
    """Whose inbox the object lies in; None for other names, among them those of whom no owner can be."""
    parts = name.split("/")
    if len(parts) < 3 or parts[0] != "inbox" or not _OWNER.fullmatch(parts[1]):
        return None
    return None if {"", ".", ".."}.intersection(parts) else parts[1]


def starts_run(name: str) -> bool:
    """Whether that this object was written asks for a run: it was dropped into an inbox."""
    owner = owner_of_inbox(name)
    return owner is not None and not name.startswith(uploads_prefix(owner))


def waits_for_run(name: str) -> bool:
    """Whether it was uploaded for a run that is asked for by somebody."""
    owner = owner_of_inbox(name)
    return owner is not None and name.startswith(uploads_prefix(owner))


def videos_prefix(owner: str) -> str:
    return f"videos/{owner}/"


def video_prefix(owner: str, video_id: str) -> str:
    return f"{videos_prefix(owner)}{video_id}/"


def video_reference(owner: str, video_id: str) -> str:
    """Where the bytes lie when they are the user's own file, read in place and never copied."""
    return f"{video_prefix(owner, video_id)}source.ref.json"


def video_source(owner: str, video_id: str) -> str:
    """The bytes themselves, in Kadr's own bucket."""
    return f"{video_prefix(owner, video_id)}source"


def video_id_of_reference(name: str) -> str | None:
    """The video id in the name of a :func:`video_reference`; None for other objects of videos."""
    parts = name.split("/")
    return parts[2] if len(parts) == 4 and parts[3] == "source.ref.json" else None


def video_of(name: str) -> tuple[str, str] | None:
    """(owner, video id) of an object that holds a video's bytes or says where they lie; None for other names."""
    found = _VIDEO.match(name)
    return found and (found["owner"], found["video_id"])


def run_marker(owner: str, video_id: str, run_id: str) -> str:
    return f"{video_prefix(owner, video_id)}runs/{run_id}"


def run_markers(owner: str, video_id: str) -> str:
    return f"{video_prefix(owner, video_id)}runs/"


def aliases_prefix(owner: str) -> str:
    return f"aliases/{owner}/"


def alias_prefix(owner: str, source_hash: str) -> str:
    return f"{aliases_prefix(owner)}{source_hash}/"


def alias(owner: str, source_hash: str, video_id: str) -> str:
    return f"{alias_prefix(owner, source_hash)}{video_id}.json"


def video_id_of(alias: str) -> str | None:
    """The video id in the name of an alias; None for other names."""
    found = _ALIAS.match(alias)
    return found and found["video_id"]


def alias_of(name: str) -> tuple[str, str, str] | None:
    """(owner, the source's hash, video id) of an alias; None for other names."""
    found = _ALIAS.match(name)
    return found and (found["owner"], found["source"], found["video_id"])


def all_results_prefix(owner: str) -> str:
    return f"results/{owner}/"


def video_results_prefix(owner: str, video_id: str) -> str:
    return f"{all_results_prefix(owner)}{video_id}/"


def results_prefix(owner: str, video_id: str, component: str, key: str | None = None) -> str:
    base = f"{video_results_prefix(owner, video_id)}{component}/"
    return f"{base}{key}/" if key else base


def result_json(owner: str, video_id: str, component: str, key: str, digest: str) -> str:
    return f"{results_prefix(owner, video_id, component, key)}{digest}.json"


def result_npz(owner: str, video_id: str, component: str, key: str, digest: str) -> str:
    return f"{results_prefix(owner, video_id, component, key)}{digest}.npz"


def parse_result(name: str) -> tuple[str, str, str, str] | None:
    """(video id, component, key, digest) of a result's JSON or NPZ; None for other names."""
    found = _RESULT.match(name)
    return found and (found["video_id"], found["component"], found["key"], found["digest"])


def requests_prefix(owner: str, beginning: str = "") -> str:
    """Of the state of all runs whose id begins so: their requests are among it."""
    return f"state/{owner}/{beginning}"


def state_prefix(owner: str, run_id: str) -> str:
    return f"{requests_prefix(owner, run_id)}/"


def state_of(name: str) -> tuple[str, str, str] | None:
    """(owner, run id, name below the run's state prefix) of an object of a run's state; None for other names."""
    found = _OF_STATE.match(name)
    return found and (found["owner"], found["run_id"], found["rest"])


def request(owner: str, run_id: str) -> str:
    return f"{state_prefix(owner, run_id)}request.json"


def record_ok(epoch: int, task: str, key: str, digest: str) -> str:
    """Relative to the run's state prefix."""
    return f"{epoch}/{task}.{key[:SHORT]}.{digest[:SHORT]}.ok.json"


RECORDS = (".ok.json", ".failed.json")


def record_failed(epoch: int, task: str, key: str) -> str:
    return f"{epoch}/{task}.{key[:SHORT]}.failed.json"


def parse_run(name: str) -> tuple[str, str, str] | None:
    """(owner, run id, name below the run's state prefix) of an object of ``state/``; None for other names."""
    parts = name.split("/", 3)
    return (parts[1], parts[2], parts[3]) if len(parts) == 4 and parts[0] == "state" and all(parts) else None


def retry(epoch: int) -> str:
    return f"retry.{epoch}.json"


def cancelled(epoch: int) -> str:
    return f"cancelled.{epoch}.json"


def done(epoch: int, manifest_digest: str) -> str:
    return f"done.{epoch}.{manifest_digest}.json"


def runs_prefix(owner: str) -> str:
    return f"runs/{owner}/"


def run_prefix(owner: str, run_id: str) -> str:
    return f"{runs_prefix(owner)}{run_id}/"


def manifest(owner: str, run_id: str, digest: str) -> str:
    return f"{run_prefix(owner, run_id)}manifests/{digest}.json"


def is_manifest(name: str) -> bool:
    """Whether it is a manifest by its digest, which never changes; the copy for people does."""
    return name.startswith("runs/") and name.rpartition("/")[0].endswith("/manifests")


def manifest_copy(owner: str, run_id: str) -> str:
    return f"{run_prefix(owner, run_id)}manifest.json"


def report_prefix(owner: str, run_id: str, manifest_digest: str) -> str:
    return f"{run_prefix(owner, run_id)}report/{manifest_digest}/"


def report_file(owner: str, run_id: str, manifest_digest: str, name: str) -> str:
    return f"{report_prefix(owner, run_id, manifest_digest)}{name}"


def owed_prefix(owner: str, run_id: str) -> str:
    return f"{ALL_OWED}{owner}/{run_id}/"


def owed(owner: str, run_id: str, event_id: str, target: str) -> str:
    """An event that a target is still to be told: here until it was, or was given up."""
    return f"{owed_prefix(owner, run_id)}{event_id}.{target}.json"


@dataclass(frozen=True)
class OwedName:
    owner: str
    run_id: str
    event_id: str
    target: str


def parse_owed(name: str) -> OwedName | None:
    """What the name of an :func:`owed` object says; None for other names."""
    found = _OWED.match(name)
    return found and OwedName(found["owner"], found["run_id"], found["event"], found["target"])


def answers_prefix(owner: str, run_id: str) -> str:
    return f"{run_prefix(owner, run_id)}answers/"


def answer(owner: str, run_id: str, event_id: str, target: str, delivered: bool) -> str:
    """That a target was told an event, or that this was given up; a delivery beats a failure."""
    how = "delivered" if delivered else "failed"
    return f"{answers_prefix(owner, run_id)}{event_id}.{target}.{how}.json"


def run_of(name: str) -> str | None:
    """The id of the run whose state, made object or marker has this name; None for other names."""
    found = _OF_RUN.match(name)
    return found and (found["run"] or found["marked"])


@dataclass(frozen=True)
class RecordName:
    epoch: int
    task: str
    key: str
    digest: str | None
    """None for a failure."""


@dataclass(frozen=True)
class MarkName:
    what: str
    epoch: int
    digest: str | None


def parse_state(name: str) -> RecordName | MarkName | None:
    """What a name below a run's state prefix says; None for request.json and names of no meaning to us."""
    if found := _STATE.match(name):
        return RecordName(int(found["epoch"]), found["task"], found["key"], found["digest"])
    if (found := _MARK.match(name)) and (found["what"] == "done") == (found["digest"] is not None):
        return MarkName(found["what"], int(found["epoch"]), found["digest"])
    return None


def task_name(component: str, plan_digest: str | None = None, index: int | None = None) -> str:
    if plan_digest is None or index is None:
        return component
    return f"{component}.{plan_digest[:8]}-{index:04d}"
