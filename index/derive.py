"""Rows as a pure function of the bucket's objects: what the index holds, and what a rebuild makes again, is this and nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from index.tables import Row
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.manifest import ComponentSummary, Manifest
from kadr.contracts.run import Graph, Request, RunStatus
from kadr.pipeline.admission import load_objects, read_request
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.closing import compile_manifest
from kadr.pipeline.epochs import Epochs, Objects, Stored, parse
from kadr.pipeline.manifests import read_manifest
from kadr.pipeline.state import evaluate
from kadr.storage import layout
from kadr.storage.store import ObjectStore

PROJECTION = 1
"""Counted up whenever the same objects give other rows: a rebuild then derives every run again."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999
_UNSAYABLE = re.compile("[\0\ud800-\udfff]")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Rows:
    """One run's rows. ``objects`` may be given to the next derivation of the same run, which then reads only what is new."""

    run: Row
    components: list[Row]
    artifacts: list[Row]
    profile: Row
    profile_components: list[Row]
    models: list[Row]
    objects: Objects = field(default_factory=dict)


def run(store: ObjectStore, owner: str, run_id: str, known: Objects | None = None) -> Rows:
    """The rows of a run as it stands in the bucket. Of a closed run only its marks and its manifest are read.

    Raises ObjectMissing (there is no such run), InvalidObject.
    """
    request = _request(store, owner, run_id)
    prefix = layout.state_prefix(owner, run_id)
    names = [n for full in store.list(prefix) if layout.parse_state(n := full.removeprefix(prefix))]
    marks = _marks(store, prefix, names, known or {})
    epochs = Epochs.read(request.graph, marks)
    if epochs.closed is not None:
        manifest = _manifest(store, request, epochs, marks)
        done = next(n for n, value in marks.items() if value is epochs.closed)
        seen = {
            "status": epochs.closed.status,
            "manifest": epochs.closed.manifest,
            "finished_at": instant(store.modified_ms(prefix + done)),
        }
        return _rows(request, epochs.graph, manifest, epochs.current, len(names), marks, seen)
    objects = load_objects(store, request, {**(known or {}), **marks}, names)
    state = evaluate(request, objects)
    if state.closed is not None:  # it was closed while it was read
        return run(store, owner, run_id, objects)
    manifest = compile_manifest(request, state)
    open_ = {"status": state.status, "manifest": None, "finished_at": None}
    return _rows(request, state.graph, manifest, state.epoch, len(names), objects, open_)


def _request(store: ObjectStore, owner: str, run_id: str) -> Request:
    request = read_request(store, owner, run_id)
    if (request.owner, request.run_id) != (owner, run_id):
        raise InvalidObject(
            f"{layout.request(owner, run_id)} is of another run ({request.owner}/{request.run_id})"
        )
    return request


def _marks(store: ObjectStore, prefix: str, names: Iterable[str], known: Objects) -> dict[str, Stored]:
    found: dict[str, Stored] = {}
    for name in names:
        if not isinstance(layout.parse_state(name), layout.MarkName):
            continue
        try:
            value = known[name] if name in known else parse(name, store.get(prefix + name))
        except (InvalidObject, ObjectMissing):  # as if it were not there, like load_objects
            continue
        if value is not None:
            found[name] = value
    return found


def _manifest(store: ObjectStore, request: Request, epochs: Epochs, marks: Objects) -> Manifest:
    assert epochs.closed is not None
    name = layout.manifest(request.owner, request.run_id, epochs.closed.manifest)
    try:
        body = store.get(name)
        if (
            hashlib.sha256(body).hexdigest() == epochs.closed.manifest
        ):  # as it was written: canonical, so it is its digest
            return Manifest.model_validate_json(body)
        return read_manifest(store, request, epochs.closed.manifest)
    except (ObjectMissing, InvalidObject, ValidationError):  # what counted is in the records too
        return compile_manifest(request, evaluate(request, load_objects(store, request, marks)))


def _rows(
    request: Request,
    graph: Graph,
    manifest: Manifest,
    epoch: int,
    count: int,
    objects: Objects,
    seen: Mapping[str, Any],
) -> Rows:
    at = {"owner": request.owner, "run_id": request.run_id}
    video_id = _digest(manifest.video_id or request.video_id, request)
    status = RunStatus(seen["status"])
    row: Row = {
        **at,
        "video_id": video_id,
        "source": clean(request.source),
        "source_hash": source_hash(request.source),
        "source_name": clean(request.source_name),
        "captions_file": cleaned(request.captions_file and request.captions_file.model_dump()),
        "config_hash": _digest(request.config_hash, request),
        "profile_name": clean(request.profile_name),
        "sampling_policy_version": clean(request.sampling_policy_version),
        "dataprocessor_version": clean(request.dataprocessor_version),
        "platform_id": clean(request.platform_id),
        "catalogue": clean(graph.catalogue),
        "required": [clean(c) for c in graph.required],
        "refresh": request.refresh,
        "priority": request.priority,
        "meta": cleaned(request.meta),
        "status": status.value,
        "created_at": instant(request.created_ms),
        "finished_at": seen["finished_at"],
        "manifest": seen["manifest"],
        "epoch": epoch,
        "closed": seen["manifest"] is not None,
        "objects": count,
        "projection": PROJECTION,
    }
    components = [
        {**at, "component": n.component, "position": i, **_component(manifest.components[n.component])}
        for i, n in enumerate(graph.nodes)
        if n.component in manifest.components
    ]
    return Rows(row, components, _artifacts(at, video_id, manifest), *_profile(request), objects)


def _component(found: ComponentSummary) -> Row:
    error = found.error or {}
    return {
        "stage": found.stage,
        "version": found.version,
        "state": found.state,
        "reason": clean(found.reason),
        "error_code": _cleaned_or_none(error.get("code")),
        "error_message": _cleaned_or_none(error.get("message")),
        "tasks": found.tasks,
        "computed": found.computed,
        "cached": found.cached,
        "seconds": found.seconds,
        "gaps": [list(gap) for gap in found.gaps],
        "warnings": cleaned(list(found.warnings)),
        "models": cleaned([m.model_dump() for m in found.models]),
        "device": clean(found.device),
    }


def _artifacts(at: Row, video_id: str | None, manifest: Manifest) -> list[Row]:
    return [
        {
            **at,
            "task": entry.record.task,
            "name": clean(result.name),
            "component": entry.record.task.partition(".")[0],
            "video_id": video_id,
            "key": result.key,
            "digest": result.digest,
            "cached": result.cached,
            "absent": _cleaned_or_none(result.absent),
        }
        for entry in manifest.records
        if entry.record is not None
        for result in entry.record.results
    ]


def _profile(request: Request) -> tuple[Row, list[Row], list[Row]]:
    at = {"owner": request.owner, "config_hash": request.config_hash}
    policies = {
        "sampling_policy_version": clean(request.sampling_policy_version),
        "dataprocessor_version": clean(request.dataprocessor_version),
    }
    components: list[Row] = []
    models: list[Row] = []
    for name, chosen in request.profile.get("components", {}).items():
        of = {**at, "component": clean(name)}
        params, frames = cleaned(chosen.get("params", {})), cleaned(chosen.get("frames"))
        components.append({**of, "params": params, "frames": frames})
        for model, signature in chosen.get("models", {}).items():
            use = request.models.get(model, {})
            said = {k: cleaned(use.get(k)) for k in ("version", "engine", "precision", "licence")}
            models.append({**of, "model": clean(model), "signature": clean(signature), **said})
    return {**at, "name": clean(request.profile_name), **policies}, components, models


def video(store: ObjectStore, owner: str, video_id: str) -> Row | None:
    """The row of a video; None if the bucket has none. Raises InvalidObject."""
    at: Row = {"owner": owner, "video_id": video_id}
    stored, reference = layout.video_source(owner, video_id), layout.video_reference(owner, video_id)
    try:
        seen = instant(store.modified_ms(stored))
        return {**at, "kind": "stored", "uri": None, "size_bytes": store.size(stored), "seen_at": seen}
    except ObjectMissing:
        pass
    if (body := _body(store, reference)) is None:
        return None
    size = body.get("size")
    return {
        **at,
        "kind": "reference",
        "uri": _cleaned_or_none(body.get("uri")),
        "size_bytes": size if isinstance(size, int) else None,
        "seen_at": instant(store.modified_ms(reference)),
    }


def alias(store: ObjectStore, owner: str, hashed: str, video_id: str) -> Row | None:
    """The row of an alias; None if the bucket has none. Raises InvalidObject."""
    name = layout.alias(owner, hashed, video_id)
    if (body := _body(store, name)) is None:
        return None
    seen = instant(store.modified_ms(name))
    at = {"owner": owner, "source_hash": hashed, "video_id": video_id}
    return {**at, "uri": _cleaned_or_none(body.get("uri")), "seen_at": seen}


def _body(store: ObjectStore, name: str) -> dict[str, Any] | None:
    try:
        found = json.loads(store.get(name))
    except ObjectMissing:
        return None
    except ValueError as error:
        raise InvalidObject(f"{name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidObject(f"{name} is not a JSON object")
    return found


def requirements(catalogue: Catalogue) -> list[Row]:
    """What each component of the catalogue needs."""
    return [
        {
            "component": entry.name,
            "version": entry.version,
            "stage": entry.stage.value,
            "cpu": needs.cpu,
            "memory_mb": needs.memory_mb,
            "gpu_memory_mb": needs.gpu_memory_mb,
            "seconds_per_minute": needs.seconds_per_minute,
            "model_seconds_per_minute": dict(needs.model_seconds_per_minute),
            "timeout_s": needs.timeout_s,
            "batch": needs.batch,
            "batch_window_ms": needs.batch_window_ms,
        }
        for entry in catalogue.components.values()
        for needs in (entry.resources,)
    ]


def source_hash(source: str) -> str:
    """The hash of a source's canonical URL: what its alias is named by."""
    return hashlib.sha256(source.encode(errors="surrogatepass")).hexdigest()


def instant(ms: int) -> datetime:
    """Milliseconds since 1970 as PostgreSQL takes a time, within what it can show."""
    return _EPOCH + timedelta(milliseconds=min(max(ms, 0), _LAST_MS))


def clean(text: str) -> str:
    """``text`` without what PostgreSQL's text cannot hold (NUL, lone surrogates of names that are not UTF-8), shown as U+FFFD."""
    return _UNSAYABLE.sub("\ufffd", text)


def _cleaned_or_none(text: Any) -> str | None:
    return clean(text) if isinstance(text, str) else None


def cleaned(value: Any) -> Any:
    """The same of all texts in a JSON value."""
    match value:
        case str():
            return clean(value)
        case Mapping():
            return {clean(k): cleaned(v) for k, v in value.items()}
        case list() | tuple():
            return [cleaned(v) for v in value]
    return value


def _digest(value: str | None, request: Request) -> str | None:
    if value is not None and not _DIGEST.fullmatch(value):
        name = layout.request(request.owner, request.run_id)
        raise InvalidObject(f"{name}: {value[:80]!r} is not a digest")
    return value
