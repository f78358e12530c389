"""Results written and read through every store, as the pipeline does it."""

from __future__ import annotations

import numpy as np
import pytest

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec, Retention
from kadr.contracts.errors import PayloadExpired
from kadr.contracts.keys import sha256_json
from kadr.storage.results import ResultId, find_result, has_expired, read_result, usable, write_result
from kadr.storage.store import ObjectStore

ARRAYS = {
    "pack": ArraySpec(dtype="uint8", dims=("B",)),
    "starts": ArraySpec(dtype="int64", dims=("N",)),
    "none": ArraySpec(dtype="float16", dims=("N", "D")),
}
SPEC = ArtifactSpec(name="pack", arrays=ARRAYS, retention=Retention.INTERMEDIATE)
PACK = 24_000_000
"""Bytes of a chunk's frame pack: more than one part of an upload."""


def write(store: ObjectStore, seed: int, size: int = 1000) -> tuple[ResultId, Artifact]:
    chance = np.random.default_rng(seed)
    arrays = {
        "pack": chance.integers(0, 256, size, dtype="uint8"),
        "starts": np.arange(seed + 3, dtype="int64"),
        "none": np.empty((0, 4), dtype="float16"),
    }
    artifact = Artifact(arrays, {"seed": seed, "words": ["кадр"]})
    ingredients = {"component": "decode"}
    key = sha256_json(ingredients)
    return write_result(store, "local", "f" * 64, "decode", key, SPEC, artifact, ingredients), artifact


@pytest.mark.parametrize("size", [0, PACK])
def test_a_result_is_read_as_it_was_written(store: ObjectStore, size: int) -> None:
    result, artifact = write(store, 1, size)
    assert find_result(store, "local", "f" * 64, "decode", result.key) == result.digest
    read = read_result(store, result, verify=True)
    assert {n: a.tobytes() for n, a in read.arrays.items()} == {
        n: a.tobytes() for n, a in artifact.arrays.items()
    }
    assert read.payload == artifact.payload
    assert list(store.scratch().iterdir()) == []


def test_the_smallest_that_is_there_counts_and_an_expired_one_is_told(store: ObjectStore) -> None:
    results = [write(store, seed)[0] for seed in range(3)]
    least, second = sorted(results, key=lambda r: r.digest)[:2]
    where = ("local", "f" * 64, "decode", least.key)
    assert find_result(store, *where) == least.digest
    read_result(store, least)
    store.delete(least.npz)
    assert has_expired(store, least)
    assert find_result(store, *where) == second.digest
    with pytest.raises(PayloadExpired):
        read_result(store, least)
    store.touch(second.json)
    store.delete(second.json)
    assert not usable(store, second)
