"""Admitting a local file: which video it is, and whether its question was asked before.

The bytes are hashed once; an alias remembers them by path, size and modification time. The newest run of the same video and
``config_hash`` answers if it is complete and fresh, is resumed if it is open, and is retried if it ended otherwise.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from kadr import __version__
from kadr.contracts.errors import InvalidObject, ObjectMissing, VideoChanged, VideoUnreadable
from kadr.contracts.faults import first_fault
from kadr.contracts.keys import jcs
from kadr.contracts.profile import DATAPROCESSOR_VERSION, SAMPLING_POLICY_VERSION, NormalProfile
from kadr.contracts.run import CaptionsFile, Graph, Request, Retry, RunStatus
from kadr.pipeline.epochs import Objects, Stored, parse
from kadr.pipeline.graph import same_work
from kadr.pipeline.manifests import lost_records, put_back
from kadr.pipeline.profiles import config_hash
from kadr.pipeline.spec import SourceRef
from kadr.pipeline.state import RunState, evaluate
from kadr.storage import layout
from kadr.storage.results import ResultId, usable
from kadr.storage.store import ObjectStore

DAY_MS = 86_400_000
_BLOCK = 1 << 20


class Question(Protocol):
    """What is asked of a video."""

    @property
    def profile(self) -> NormalProfile: ...
    @property
    def graph(self) -> Graph: ...
    @property
    def models(self) -> Mapping[str, Mapping[str, Any]]: ...
    @property
    def refresh(self) -> bool: ...
    @property
    def captions_file(self) -> CaptionsFile | None: ...


@dataclass(frozen=True)
class Asked:
    """One question: this file under this profile."""

    path: Path
    profile: NormalProfile
    graph: Graph
    models: Mapping[str, Mapping[str, Any]]
    refresh: bool = False
    title: str = ""
    captions_file: CaptionsFile | None = None


@dataclass(frozen=True)
class Admitted:
    """The run that answers: new, resumed, retried, or ``finished`` already."""

    request: Request
    source: SourceRef
    how: str
    finished: bool
    refresh: bool


def identify(store: ObjectStore, path: Path, progress: Callable[[float], None]) -> tuple[str, SourceRef]:
    """The video's id and a pinned reference to the file. Raises VideoUnreadable for what is not a file with bytes."""
    ref = reference(path)
    uri = path.absolute().as_uri()  # of the name's bytes, whatever their encoding
    at = layout.alias_prefix(layout.LOCAL_OWNER, hashlib.sha256(uri.encode()).hexdigest())
    body = {"uri": uri, "size": ref.size, "mtime_us": ref.mtime_us}
    for name in store.list(at):
        if _read_json(store, name) == body:
            return name.removeprefix(at).removesuffix(".json"), ref
    video_id = _hash(path, ref.size, progress)
    if reference(path) != ref:
        raise VideoChanged(
            f"{path} changed while it was read: wait until it is written, then analyse it again"
        )
    store.put(layout.video_reference(layout.LOCAL_OWNER, video_id), jcs(body))
    store.put(f"{at}{video_id}.json", jcs(body))
    return video_id, ref


def reference(path: Path) -> SourceRef:
    try:
        found = path.stat()
    except OSError as error:
        raise VideoUnreadable(f"cannot read {path}: {error.strerror}") from error
    if not path.is_file():
        raise VideoUnreadable(f"{path} is not a file")
    if found.st_size == 0:
        raise VideoUnreadable(f"{path} is empty (0 bytes)")
    if not os.access(path, os.R_OK):
        raise VideoUnreadable(f"cannot read {path}: permission denied")
    return SourceRef(str(path.absolute()), found.st_size, found.st_mtime_ns // 1000)


def _hash(path: Path, size: int, progress: Callable[[float], None]) -> str:
    digest, done = hashlib.sha256(), 0
    block = memoryview(bytearray(_BLOCK))
    try:
        with path.open("rb", buffering=0) as file:
            while read := file.readinto(block):
                digest.update(block[:read])
                done += read
                progress(done / size)
    except OSError as error:
        raise VideoUnreadable(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


def admit(store: ObjectStore, asked: Asked, video_id: str, source: SourceRef) -> Admitted:
    """The run that is to answer ``asked``: found, reopened or opened."""
    found = find(store, asked, video_id, source)
    if found is None:
        request = draft(asked, video_id, source)
        # The marker first: by it the run is found, and one without a request is swept.
        store.put(layout.run_marker(request.owner, video_id, request.run_id), b"{}")
        store.put(layout.request(request.owner, request.run_id), jcs(request.model_dump(mode="json")))
        return Admitted(request, source, "new", False, asked.refresh)
    heal(store, found.request)
    store.put(layout.run_marker(found.request.owner, video_id, found.request.run_id), b"{}")
    if found.how == "retried":
        state = evaluate(found.request, load_objects(store, found.request))
        if state.closed is None:  # another process has just opened it again
            return replace(found, how="resumed")
        reopen(store, found.request, state, asked.graph)
    return found


def find(store: ObjectStore, asked: Asked, video_id: str, source: SourceRef) -> Admitted | None:
    """The newest run of the same question, if it answers, can be resumed or is worth another try.

    Of an open run that refreshes, a plain question only goes on if nothing else answers it: it did not ask to compute again.
    """
    refreshing: Admitted | None = None
    for request, state in _same(store, asked, video_id):
        if state.closed is None and state.graph.required != asked.graph.required:
            continue  # it would end as another than it is asked to
        if state.closed is None:
            found = Admitted(request, source, "resumed", False, request.refresh)
            if asked.refresh or not request.refresh:
                return refreshing or found
            refreshing = refreshing or found
        elif asked.refresh or not _fresh(store, request, state, asked.profile.cache_ttl_days):
            return refreshing
        elif state.closed.status is RunStatus.COMPLETE:
            return Admitted(request, source, "finished", True, False)
        else:
            return refreshing or Admitted(request, source, "retried", False, False)
    return refreshing


def _same(store: ObjectStore, asked: Asked, video_id: str) -> Iterator[tuple[Request, RunState]]:
    """Runs of the same question that have lost nothing, newest first: a new run computes what was lost and finds the rest."""
    hashed = config_hash(asked.profile)
    for request in runs_of(store, layout.LOCAL_OWNER, video_id):
        same = request.config_hash == hashed and same_work(request.graph, asked.graph)
        # Captions of another name or fate make no other results, but the run would tell of a file that was not asked about.
        same = same and request.captions_file == asked.captions_file
        if not same or (asked.refresh and not request.refresh):
            continue
        state = evaluate(request, load_objects(store, request))
        if _whole(store, request, state):
            yield request, state


def _whole(store: ObjectStore, request: Request, state: RunState) -> bool:
    """Whether all that the run's records name can still be used; intermediates' payloads apart."""
    if state.video_id is None:
        return True
    results = (
        ResultId(request.owner, state.video_id, task.component, r.key, r.digest)
        for task in state.tasks.values()
        if task.record is not None
        for r in task.record.results
    )
    return all(usable(store, result) for result in results)


def draft(asked: Asked, video_id: str, source: SourceRef) -> Request:
    """The request of a new run about a local file, not written anywhere."""
    path = Path(source.path)
    return request_for(asked, asked.title or path.name, path.as_uri(), video_id)


def request_for(
    question: Question,
    name: str,
    source: str,
    video_id: str | None = None,
    owner: str = layout.LOCAL_OWNER,
    run_id: str | None = None,
) -> Request:
    """A new run of ``question`` about the video at the address ``source``, which people call ``name``."""
    return Request(
        run_id=run_id or str(uuid.uuid4()),
        owner=owner,
        video_id=video_id,
        source=source,
        source_name=name,
        config_hash=config_hash(question.profile),
        sampling_policy_version=SAMPLING_POLICY_VERSION,
        dataprocessor_version=DATAPROCESSOR_VERSION,
        platform_id=f"kadr-{__version__}",
        profile=question.profile.hashed(),
        profile_name=question.profile.name,
        models={k: dict(v) for k, v in question.models.items()},
        graph=question.graph,
        created_ms=time.time_ns() // 1_000_000,
        refresh=question.refresh,
        captions_file=question.captions_file,
        cache_ttl_days=question.profile.cache_ttl_days,
    )


def reopen(store: ObjectStore, request: Request, state: RunState, graph: Graph) -> None:
    """Open the next epoch of a closed run: what succeeded stays, what failed is tried again."""
    body = Retry(graph=graph, reason="asked again", at_ms=time.time_ns() // 1_000_000)
    prefix = layout.state_prefix(request.owner, request.run_id)
    store.put(prefix + layout.retry(state.epoch + 1), jcs(body.model_dump(mode="json")))


def asked_ms(store: ObjectStore, request: Request) -> int:
    """When the run was last the answer to a question, in ms since the epoch: its marker is written each time."""
    if request.video_id is None:
        return request.created_ms
    with suppress(ObjectMissing):
        marker = layout.run_marker(request.owner, request.video_id, request.run_id)
        return max(request.created_ms, store.modified_ms(marker))
    return request.created_ms


def runs_of(store: ObjectStore, owner: str, video_id: str) -> list[Request]:
    """Requests of the runs that looked at a video, newest first."""
    prefix = layout.run_markers(owner, video_id)
    found = [_request(store, owner, name.removeprefix(prefix)) for name in store.list(prefix)]
    return sorted((r for r in found if r is not None), key=lambda r: (r.created_ms, r.run_id), reverse=True)


def _request(store: ObjectStore, owner: str, run_id: str) -> Request | None:
    try:
        return read_request(store, owner, run_id)
    except (ObjectMissing, InvalidObject):
        return None


def read_request(store: ObjectStore, owner: str, run_id: str) -> Request:
    """A run's request. Raises ObjectMissing, InvalidObject."""
    name = layout.request(owner, run_id)
    try:
        return Request.model_validate_json(store.get(name))
    except ValidationError as error:
        raise InvalidObject(f"{name} is not a request: {first_fault(error)}") from error


def load_objects(
    store: ObjectStore,
    request: Request,
    known: Objects | None = None,
    names: Iterable[str] | None = None,
) -> dict[str, Stored]:
    """The run's objects by name below its state prefix; those in ``known`` are not read again. ``names``: as just listed.

    A damaged object counts as absent: its task is looked up by key, or computed, again. What a closed epoch lists and has lost
    is taken from its manifest.
    """
    found = found_objects(store, request, known, names)
    return {**found, **lost_records(store, request, found)}


def found_objects(
    store: ObjectStore,
    request: Request,
    known: Objects | None = None,
    names: Iterable[str] | None = None,
) -> dict[str, Stored]:
    """The same, without what was lost."""
    prefix = layout.state_prefix(request.owner, request.run_id)
    found = dict(known or {})
    for name in (full.removeprefix(prefix) for full in store.list(prefix)) if names is None else names:
        if name in found or layout.parse_state(name) is None:
            continue
        try:
            value = parse(name, store.get(prefix + name))
        except (InvalidObject, ObjectMissing):
            continue
        if value is not None:
            found[name] = value
    return found


def heal(store: ObjectStore, request: Request) -> int:
    """Put back what the run's closed epochs list and have lost; how many objects."""
    lost = lost_records(store, request, found_objects(store, request))
    put_back(store, request, lost)
    return len(lost)


def _fresh(store: ObjectStore, request: Request, state: RunState, ttl_days: int | None) -> bool:
    if ttl_days is None or state.closed is None:
        return True
    name = layout.manifest(request.owner, request.run_id, state.closed.manifest)
    try:
        age_ms = time.time_ns() // 1_000_000 - store.modified_ms(name)
    except ObjectMissing:
        return False
    return age_ms < ttl_days * DAY_MS


def _read_json(store: ObjectStore, name: str) -> Any:
    try:
        return json.loads(store.get(name))
    except (ObjectMissing, ValueError):
        return None
