"""Results by key: the smallest that can be used, and a damaged one is none until it is written again."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec, Retention
from kadr.contracts.errors import InvalidObject, ObjectMissing, PayloadExpired, StoreFailure
from kadr.storage.files import FileStore
from kadr.storage.results import ResultId, find_result, read_result, usable, write_result

SPEC = ArtifactSpec(name="toy", arrays={"t": ArraySpec(dtype="int64", dims=("N",))})
INTERMEDIATE = SPEC.model_copy(update={"retention": Retention.INTERMEDIATE})
WHERE = ("local", "v" * 64, "toy", "k" * 64)


def written(store: FileStore, *values: int, spec: ArtifactSpec = SPEC) -> ResultId:
    arrays = {"t": np.array(values, dtype="int64")} if spec.arrays else {}
    return write_result(store, *WHERE, spec, Artifact(arrays, {"n": len(values)}), {})


def found(root: Path) -> str | None:
    """As a process sees it that was started later."""
    return find_result(FileStore(root), *WHERE)


def test_the_smallest_digest_counts(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    assert find_result(store, *WHERE) is None
    digests = [written(store, n).digest for n in range(4)]
    assert find_result(store, *WHERE) == min(digests)
    assert read_result(store, written(store, 2))["t"].tolist() == [2]


@pytest.mark.parametrize("body", [b"", b'{"digest": "', b"[]", b"{}", b"\xff\xfe"])
def test_a_damaged_description_is_no_result_until_it_is_written_again(tmp_path: Path, body: bytes) -> None:
    result = written(FileStore(tmp_path), 1, 2)
    FileStore(tmp_path).put(result.json, body)
    assert found(tmp_path) is None
    assert not usable(FileStore(tmp_path), result)
    assert written(FileStore(tmp_path), 1, 2) == result
    assert found(tmp_path) == result.digest
    assert read_result(FileStore(tmp_path), result, verify=True)["t"].tolist() == [1, 2]


def test_a_description_that_lacks_a_part_is_no_result(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    result = written(store, 1)
    header = json.loads(store.get(result.json))
    del header["arrays"]
    store.put(result.json, json.dumps(header).encode())
    assert found(tmp_path) is None
    with pytest.raises(InvalidObject, match="lacks a part"):
        read_result(store, result)


def test_the_next_smallest_counts_if_the_smallest_is_damaged(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    first, second = sorted((written(store, n) for n in range(2)), key=lambda r: r.digest)
    store.put(first.json, b"")
    assert found(tmp_path) == second.digest


@pytest.mark.parametrize(("told", "counts"), [(0, False), (7, False), (None, True)])
def test_kept_arrays_have_the_length_that_is_told_of_them(
    tmp_path: Path, told: int | None, counts: bool
) -> None:
    """None: as Kadr wrote it up to 0.2.0, without a length."""
    store = FileStore(tmp_path)
    result = written(store, 1)
    header = json.loads(store.get(result.json))
    header["npz_bytes"] = told
    store.put(result.json, json.dumps({n: v for n, v in header.items() if v is not None}).encode())
    assert usable(FileStore(tmp_path), result) is counts
    assert found(tmp_path) == (result.digest if counts else None)


def test_kept_arrays_must_be_there(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    result = written(store, 1)
    assert find_result(store, *WHERE) == result.digest
    store.delete(result.npz)
    assert find_result(store, *WHERE) is None, "also where it had been found whole before"
    assert found(tmp_path) is None
    assert not usable(store, result)
    with pytest.raises(ObjectMissing):
        read_result(store, result)
    written(store, 1)
    assert find_result(store, *WHERE) == found(tmp_path) == result.digest


def test_an_intermediates_description_suffices(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    result = written(store, 1, spec=INTERMEDIATE)
    store.delete(result.npz)
    assert found(tmp_path) == result.digest
    with pytest.raises(PayloadExpired):
        read_result(store, result)


def test_a_result_without_arrays_needs_no_file_of_arrays(tmp_path: Path) -> None:
    result = written(FileStore(tmp_path), spec=SPEC.model_copy(update={"arrays": {}}))
    assert found(tmp_path) == result.digest
    assert not FileStore(tmp_path).exists(result.npz)


def test_a_result_that_cannot_be_read_is_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path)
    result = written(store, 1)

    def failing(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(zipfile.ZipFile, "__init__", failing)
        with pytest.raises(StoreFailure, match=f"{result.digest}.npz: Input/output error"):
            read_result(store, result, verify=True)
    assert len(read_result(store, result, verify=True)["t"]) == 1
