"""Looking a task's results up and writing its record: what a coordinator does itself and a shell does after computing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from kadr.contracts.artifact import Artifact
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.keys import jcs
from kadr.contracts.run import ACQUIRE, NO_KEY, Record, RecordResult, Request
from kadr.pipeline.epochs import parse
from kadr.pipeline.spec import TaskSpec
from kadr.storage import layout
from kadr.storage.results import Found, ResultId, about, find, read_result
from kadr.storage.store import ObjectStore

YOUNG_MS = 6 * 3_600_000
"""What was written since is left as it is when it is found again: garbage is four times as old at least, whatever the clocks say."""


def lookup(store: ObjectStore, spec: TaskSpec) -> dict[str, Found]:
    """The wanted results that are in the store already, by output name: one listing for each."""
    found = {w.name: find(store, spec.owner, spec.video_id, spec.component, w.key) for w in spec.wanted}
    return {name: there for name, there in found.items() if there is not None}


def acquired(request: Request) -> Record:
    """The record of ``acquire`` for a request that names its video already, not written anywhere."""
    assert request.video_id is not None
    return Record(task=ACQUIRE, key=NO_KEY, results=(), video_id=request.video_id)


def record_acquired(store: ObjectStore, request: Request, epoch: int) -> Record:
    """Write and return the record of ``acquire``: a local file was hashed at admission, and is read in place."""
    return _put(store, request.owner, request.run_id, epoch, acquired(request))


def record_cached(store: ObjectStore, spec: TaskSpec, found: Mapping[str, Found]) -> Record:
    """Write and return the record of a task all of whose results were just found. Raises ObjectMissing."""
    _touch(store, found.values())
    return _put(store, spec.owner, spec.run_id, spec.epoch, found_record(store, spec, found))


def found_record(store: ObjectStore, spec: TaskSpec, found: Mapping[str, Found]) -> Record:
    """The record of a task all of whose results were found, not written anywhere."""
    digests = {name: there.digest for name, there in found.items()}
    return _record(store, spec, digests, frozenset(found), 0, 0.0, "")


def write_record(
    store: ObjectStore,
    spec: TaskSpec,
    made: Mapping[str, str],
    found: Mapping[str, Found],
    started_ms: int,
    seconds: float,
    device: str,
    details: Mapping[str, Any],
) -> Record:
    """Write and return the record of a task that was run: the digests of what it ``made``, and what was ``found`` after all.

    Raises ObjectMissing.
    """
    _touch(store, found.values())
    digests = {**{name: there.digest for name, there in found.items()}, **made}
    record = _record(store, spec, digests, frozenset(found), started_ms, seconds, device)
    before = spec.remakes
    remade = 0 if before is None or before.digest == record.digest else before.remade + 1
    record = record.model_copy(update={"details": dict(details), "remade": remade})
    return _put(store, spec.owner, spec.run_id, spec.epoch, record, bool(found) or spec.refresh)


def _touch(store: ObjectStore, found: Iterable[Found]) -> None:
    """What was written long ago and no run refers to is garbage until it is touched."""
    now_ms = time.time_ns() // 1_000_000
    for there in found:
        if abs(now_ms - there.modified_ms) > YOUNG_MS:
            store.touch(there.result.json)


def _put(
    store: ObjectStore, owner: str, run_id: str, epoch: int, record: Record, repeat: bool = True
) -> Record:
    """Write ``record`` unless it is there: what is there says who computed what, and a repeat would say cached.

    A damaged one is no record. Returns ``record`` all the same: what this process did is what it tells. ``repeat``: whether there
    can be one; not where everything was computed because nothing was found, for whoever recorded this task had results to name.
    """
    name = layout.record_ok(epoch, record.task, record.key, record.digest)
    full = layout.state_prefix(owner, run_id) + name
    there = _stored(store, full, name) if repeat else None
    if there is None or there.remade < record.remade:
        store.put(full, jcs(record.model_dump(mode="json")))
    return record


def _stored(store: ObjectStore, full: str, name: str) -> Record | None:
    try:
        found = parse(name, store.get(full))
    except (ObjectMissing, InvalidObject):
        return None
    return found if isinstance(found, Record) else None


def _record(
    store: ObjectStore,
    spec: TaskSpec,
    digests: Mapping[str, str],
    cached: frozenset[str],
    started_ms: int,
    seconds: float,
    device: str,
) -> Record:
    results, warnings = [], dict[str, None]()
    plan = None
    for wanted in spec.wanted:
        result = ResultId(spec.owner, spec.video_id, spec.component, wanted.key, digests[wanted.name])
        payload = about(store, result)
        warnings.update(dict.fromkeys(_warnings(spec, payload)))
        if wanted.name == "plan":
            plan = _spans(read_result(store, result))
        cached_here, absent = wanted.name in cached, payload.get("absent")
        results.append(
            RecordResult(
                name=wanted.name, key=wanted.key, digest=result.digest, cached=cached_here, absent=absent
            )
        )
    return Record(
        task=spec.task,
        key=spec.key,
        results=tuple(results),
        plan=plan,
        gaps=spec.gaps,
        warnings=tuple(warnings),
        started_ms=started_ms,
        seconds=round(seconds, 3),
        device=device,
    )


def _warnings(spec: TaskSpec, payload: Mapping[str, Any]) -> list[str]:
    """Damage as the readers of media state it in their payloads: ``warnings`` and ``decode_errors``."""
    said = [str(w) for w in payload.get("warnings") or ()]
    if errors := payload.get("decode_errors"):
        where = f" between {spec.chunk.start_ms} and {spec.chunk.end_ms} ms" if spec.chunk else ""
        packets = "1 packet" if errors == 1 else f"{errors} packets"
        said.append(f"{packets}{where} could not be decoded")
    return said


def _spans(plan: Artifact) -> tuple[tuple[int, int, int], ...]:
    overlap = int(plan.payload.get("overlap_ms", 0))
    starts, ends = plan["start_ms"].tolist(), plan["end_ms"].tolist()
    return tuple((int(s), int(e), overlap) for s, e in zip(starts, ends, strict=True))
