"""Results in the store: JSON beside NPZ, immutable, found by key. The JSON, written last, makes it exist."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from kadr.contracts.artifact import Artifact, ArtifactSpec, Retention
from kadr.contracts.errors import InvalidObject, ObjectMissing, PayloadExpired
from kadr.contracts.keys import dtype_name, jcs, result_digest
from kadr.storage import layout
from kadr.storage.files import temporary, translated
from kadr.storage.npz import read_npz, write_npz
from kadr.storage.store import Listed, ObjectStore


@dataclass(frozen=True)
class ResultId:
    """Where one result lies: immutable, so it may be cached for ever."""

    owner: str
    video_id: str
    component: str
    key: str
    digest: str

    @property
    def json(self) -> str:
        return layout.result_json(self.owner, self.video_id, self.component, self.key, self.digest)

    @property
    def npz(self) -> str:
        return layout.result_npz(self.owner, self.video_id, self.component, self.key, self.digest)


@dataclass(frozen=True)
class Found:
    """A result that can be used, as a listing told of it."""

    result: ResultId
    modified_ms: int
    """When its JSON was written or made young, by the store's clock."""

    @property
    def digest(self) -> str:
        return self.result.digest


MAX_KNOWN = 20_000
_KNOWN: WeakKeyDictionary[ObjectStore, dict[str, _Parts]] = WeakKeyDictionary()
"""By store: the JSON objects found whole, and what each says. They do not change, so one read will do."""
ABOUT = ("absent", "warnings", "decode_errors")
"""What of a payload is remembered: records repeat it."""


def find_result(store: ObjectStore, owner: str, video_id: str, component: str, key: str) -> str | None:
    """The digest of :func:`find`, or None."""
    found = find(store, owner, video_id, component, key)
    return None if found is None else found.digest


def find(
    store: ObjectStore,
    owner: str,
    video_id: str,
    component: str,
    key: str,
    listed: Iterable[Listed] | None = None,
) -> Found | None:
    """The usable result with this key whose digest is the smallest, or None; those whose arrays are there come first.

    One listing tells all but what a result's JSON says, which is read once. ``listed``: that listing, if it was just made.
    """
    prefix = layout.results_prefix(owner, video_id, component, key)
    there = {entry.name: entry for entry in (store.entries(prefix) if listed is None else listed)}
    expired = None
    for digest in sorted(n.removeprefix(prefix).removesuffix(".json") for n in there if n.endswith(".json")):
        result = ResultId(owner, video_id, component, key, digest)
        if (parts := _known(store, result)) is None:
            continue
        found = Found(result, there[result.json].modified_ms)
        if _has_arrays(result, parts, there):
            return found
        if parts.intermediate:
            expired = expired or found
    return expired


def usable(store: ObjectStore, result: ResultId) -> bool:
    """Whether the result can be used: its JSON is whole and, unless it is an intermediate, its arrays are there."""
    return (parts := _there(store, result)) is not None and (parts[0].intermediate or parts[1])


def has_expired(store: ObjectStore, result: ResultId) -> bool:
    """Whether all of an intermediate is there but its arrays."""
    return (parts := _there(store, result)) is not None and parts[0].intermediate and not parts[1]


def about(store: ObjectStore, result: ResultId) -> Mapping[str, Any]:
    """What a record repeats of the result's payload. Raises ObjectMissing, InvalidObject."""
    known = _KNOWN.get(store, {}).get(result.json)
    return known.payload if known is not None else _learnt(store, result, read_header(store, result)).payload


def _there(store: ObjectStore, result: ResultId) -> tuple[_Parts, bool] | None:
    """What the result's JSON says, and whether its arrays are there; None if there is no JSON that is whole."""
    there = {entry.name: entry for entry in store.entries(result.json.removesuffix("json"))}
    parts = _known(store, result) if result.json in there else None
    return None if parts is None else (parts, _has_arrays(result, parts, there))


def _known(store: ObjectStore, result: ResultId) -> _Parts | None:
    """What the result's JSON says, which is there; None if it is not whole."""
    if (known := _KNOWN.get(store, {}).get(result.json)) is not None:
        return known
    try:
        return _learnt(store, result, read_header(store, result))
    except (ObjectMissing, InvalidObject):
        return None


def _learnt(store: ObjectStore, result: ResultId, header: Mapping[str, Any]) -> _Parts:
    """Remember what a result's JSON says. Raises InvalidObject."""
    parts = _parts(result, header)
    known = _KNOWN.setdefault(store, {})
    if len(known) >= MAX_KNOWN:
        known.clear()
    kept = parts._replace(payload={n: parts.payload[n] for n in ABOUT if n in parts.payload})
    known[result.json] = kept
    return kept


def _has_arrays(result: ResultId, parts: _Parts, there: Mapping[str, Listed]) -> bool:
    """Whether the NPZ is there, of the length that it was written with."""
    if not parts.arrays:
        return True
    return result.npz in there and parts.npz_bytes in (None, there[result.npz].size)


def write_result(
    store: ObjectStore,
    owner: str,
    video_id: str,
    component: str,
    key: str,
    spec: ArtifactSpec,
    artifact: Artifact,
    ingredients: Mapping[str, Any],
) -> ResultId:
    """Write ``artifact``, already checked against ``spec``; ``key`` is the hash of ``ingredients``.

    What has the same name already is written anew: it is equal, or damaged.
    """
    payload = json.loads(jcs(dict(artifact.payload)))
    digest = result_digest(spec.major, artifact.arrays, payload)
    result = ResultId(owner, video_id, component, key, digest)
    npz_bytes = _write_arrays(store, result.npz, artifact) if artifact.arrays else 0
    body = {
        "schema": {"name": spec.name, "major": spec.major, "minor": spec.minor},
        "retention": spec.retention.value,
        "key": key,
        "ingredients": ingredients,
        "digest": digest,
        "arrays": {
            name: {"dtype": dtype_name(a), "shape": list(a.shape), "unit": spec.arrays[name].unit}
            for name, a in artifact.arrays.items()
        },
        "npz_bytes": npz_bytes,
        "payload": payload,
    }
    store.put(result.json, jcs(body))
    _learnt(store, result, body)
    return result


def _write_arrays(store: ObjectStore, name: str, artifact: Artifact) -> int:
    """How many bytes it wrote."""
    with translated(name), temporary(store.scratch()) as (file, path):
        write_npz(file, artifact.arrays)
        file.flush()
        size = path.stat().st_size
        store.put_file(name, path)
        return size


def read_header(store: ObjectStore, result: ResultId) -> dict[str, Any]:
    """The result's JSON. Raises ObjectMissing, InvalidObject."""
    try:
        body = json.loads(store.get(result.json))
    except ValueError as error:
        raise InvalidObject(f"{result.json} is not JSON: {error}") from error
    if not isinstance(body, dict) or body.get("digest") != result.digest:
        raise InvalidObject(f"{result.json} does not describe the result it is named for")
    return body


class _Parts(NamedTuple):
    """What a result's JSON says of it: ``arrays`` {name: (dtype name, shape)}; ``npz_bytes`` None where it is not told."""

    arrays: dict[str, tuple[str, tuple[int, ...]]]
    payload: dict[str, Any]
    major: int
    intermediate: bool
    npz_bytes: int | None


def _parts(result: ResultId, header: Mapping[str, Any]) -> _Parts:
    """Raises InvalidObject."""
    try:
        arrays = {n: (str(a["dtype"]), tuple(a["shape"])) for n, a in header["arrays"].items()}
        payload, major = dict(header["payload"]), int(header["schema"]["major"])
        intermediate = header["retention"] == Retention.INTERMEDIATE
        told = header.get("npz_bytes")
        return _Parts(arrays, payload, major, intermediate, None if told is None else int(told))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidObject(f"{result.json} lacks a part: {error}") from error


def read_result(store: ObjectStore, result: ResultId, verify: bool = False) -> Artifact:
    """The result's artifact; large arrays are mapped, not loaded. ``verify`` hashes everything again.

    Raises ObjectMissing, PayloadExpired (the arrays of an intermediate were removed), InvalidObject; StoreFailure, which says
    nothing of the result.
    """
    parts = _parts(result, read_header(store, result))
    arrays: dict[str, np.ndarray] = {}
    if parts.arrays:
        try:
            with translated(result.npz), store.local(result.npz) as path:
                arrays = read_npz(path, parts.arrays)
        except ObjectMissing as error:
            if parts.intermediate:
                raise PayloadExpired(f"the payload of {result.npz} has expired") from error
            raise
    if verify and result_digest(parts.major, arrays, parts.payload) != result.digest:
        raise InvalidObject(f"{result.json}: the content does not have the digest in its name")
    return Artifact(arrays, parts.payload)
