"""Results in the store: JSON beside NPZ, immutable, found by key. The JSON, written last, makes it exist."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kadr.contracts.artifact import Artifact, ArtifactSpec, Retention
from kadr.contracts.errors import InvalidObject, ObjectMissing, PayloadExpired
from kadr.contracts.keys import dtype_name, jcs, result_digest
from kadr.storage import layout
from kadr.storage.files import translated
from kadr.storage.npz import read_npz, write_npz
from kadr.storage.store import ObjectStore


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


def find_result(store: ObjectStore, owner: str, video_id: str, component: str, key: str) -> str | None:
    """The smallest digest that a result with this key has, or None."""
    prefix = layout.results_prefix(owner, video_id, component, key)
    names = (name.removeprefix(prefix) for name in store.list(prefix))
    return min((n.removesuffix(".json") for n in names if n.endswith(".json")), default=None)


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
    """Write ``artifact``, already checked against ``spec``; ``key`` is the hash of ``ingredients``."""
    payload = json.loads(jcs(dict(artifact.payload)))
    digest = result_digest(spec.major, artifact.arrays, payload)
    result = ResultId(owner, video_id, component, key, digest)
    if artifact.arrays:
        _write_arrays(store, result.npz, artifact)
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
        "payload": payload,
    }
    store.put(result.json, jcs(body))
    return result


def _write_arrays(store: ObjectStore, name: str, artifact: Artifact) -> None:
    with translated(name):
        handle, temporary = tempfile.mkstemp(dir=store.scratch())
        try:
            with os.fdopen(handle, "wb") as file:
                write_npz(file, artifact.arrays)
            store.put_file(name, Path(temporary))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def read_header(store: ObjectStore, result: ResultId) -> dict[str, Any]:
    """The result's JSON. Raises ObjectMissing, InvalidObject."""
    try:
        body = json.loads(store.get(result.json))
    except ValueError as error:
        raise InvalidObject(f"{result.json} is not JSON: {error}") from error
    if not isinstance(body, dict) or body.get("digest") != result.digest:
        raise InvalidObject(f"{result.json} does not describe the result it is named for")
    return body


def read_result(store: ObjectStore, result: ResultId, verify: bool = False) -> Artifact:
    """The result's artifact; large arrays are mapped, not loaded. ``verify`` hashes everything again.

    Raises ObjectMissing, PayloadExpired (the arrays of an intermediate were removed), InvalidObject.
    """
    header = read_header(store, result)
    try:
        expected = {n: (str(a["dtype"]), tuple(a["shape"])) for n, a in header["arrays"].items()}
        payload, major = dict(header["payload"]), int(header["schema"]["major"])
        intermediate = header["retention"] == Retention.INTERMEDIATE
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidObject(f"{result.json} lacks a part: {error}") from error
    arrays: dict[str, np.ndarray] = {}
    if expected:
        try:
            with store.local(result.npz) as path:
                arrays = read_npz(path, expected)
        except ObjectMissing as error:
            if intermediate:
                raise PayloadExpired(f"the payload of {result.npz} has expired") from error
            raise
    if verify and result_digest(major, arrays, payload) != result.digest:
        raise InvalidObject(f"{result.json}: the content does not have the digest in its name")
    return Artifact(arrays, payload)
