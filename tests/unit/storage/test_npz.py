"""The NPZ codec: what is written is read back, byte for byte; damage and tricks are errors, never surprises."""

from __future__ import annotations

import errno
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kadr.contracts.errors import InvalidObject
from kadr.storage import npz
from kadr.storage.npz import read_npz, write_npz

names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
one = hnp.arrays(
    dtype=st.sampled_from(["uint8", "int16", "int64", "float16", "float32", "float64", "bool"]),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)
many = st.dictionaries(names, one, max_size=4)
Expected = dict[str, tuple[str, tuple[int, ...]]]


def expected(arrays: dict[str, np.ndarray]) -> Expected:
    return {n: (a.dtype.name, a.shape) for n, a in arrays.items()}


def encoded(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    write_npz(buffer, arrays)
    return buffer.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(many, st.booleans())
def test_round_trip(tmp_path: Path, arrays: dict[str, np.ndarray], mapped: bool) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(encoded(arrays))
    before = npz.MMAP_FROM
    npz.MMAP_FROM = 1 if mapped else 1 << 30
    try:
        found = read_npz(path, expected(arrays))
    finally:
        npz.MMAP_FROM = before
    assert {n: (a.dtype, a.shape, a.tobytes()) for n, a in found.items()} == {
        n: (a.dtype, a.shape, a.tobytes()) for n, a in arrays.items()
    }


@given(many)
def test_equal_arrays_give_equal_bytes(arrays: dict[str, np.ndarray]) -> None:
    assert encoded(dict(reversed(arrays.items()))) == encoded(arrays)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
@given(st.data())
def test_damaged_files_are_refused_or_read_unchanged(tmp_path: Path, data: st.DataObject) -> None:
    arrays = {"t": np.arange(7, dtype="int64"), "x": np.ones((2, 3), "float32")}
    body = bytearray(encoded(arrays))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.npz"
    path.write_bytes(bytes(body[: data.draw(st.integers(0, len(body)))]))
    try:
        found = read_npz(path, expected(arrays))
    except InvalidObject:
        return
    assert all(found[n].tobytes() == arrays[n].tobytes() for n in arrays)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    with zipfile.ZipFile(path, "w") as archive:
        buffer = io.BytesIO()
        np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        archive.writestr("a.npy", buffer.getvalue())
    with pytest.raises(InvalidObject):
        read_npz(path, {"a": ("object", (1,))})
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InvalidObject):
        read_npz(path, {"a": ("int64", (1,))})


def test_other_arrays_shapes_and_compression_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(encoded({"a": np.arange(3)}))
    for wrong in ({"b": ("int64", (3,))}, {"a": ("int64", (4,))}, {"a": ("int32", (3,))}):
        with pytest.raises(InvalidObject):
            read_npz(path, wrong)
    np.savez_compressed(path, a=np.arange(3))
    with pytest.raises(InvalidObject, match="compressed"):
        read_npz(path, {"a": ("int64", (3,))})


def test_the_order_of_an_array_in_memory_does_not_matter(tmp_path: Path) -> None:
    rows = np.arange(12, dtype=np.int64).reshape(3, 4)
    columns = np.asfortranarray(rows)
    assert encoded({"a": columns}) == encoded({"a": rows})
    (tmp_path / "a.npz").write_bytes(encoded({"a": columns}))
    assert np.array_equal(read_npz(tmp_path / "a.npz", expected({"a": columns}))["a"], rows)


@pytest.mark.parametrize("damage", [b"{'descr': '<i8', (", b"\0", b"[" * 117, b"'" * 3])
def test_a_damaged_header_of_an_array_is_said_to_be_one(tmp_path: Path, damage: bytes) -> None:
    """numpy reads it as Python source. A large array's member is not checked by its CRC."""
    arrays = {"a": np.zeros(npz.MMAP_FROM, dtype=np.uint8)}
    body = bytearray(encoded(arrays))
    at = body.index(b"{'descr'")
    body[at : at + len(damage)] = damage
    (tmp_path / "a.npz").write_bytes(body)
    with pytest.raises(InvalidObject, match="header"):
        read_npz(tmp_path / "a.npz", expected(arrays))


@pytest.mark.parametrize("dtype", ["int28", "", "O", "i4,i4", "not a type"])
def test_a_type_that_is_none_is_refused(tmp_path: Path, dtype: str) -> None:
    (tmp_path / "a.npz").write_bytes(encoded({"a": np.zeros(3)}))
    with pytest.raises(InvalidObject):
        read_npz(tmp_path / "a.npz", {"a": (dtype, (3,))})


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE])
@pytest.mark.parametrize("after", range(11))
def test_what_cannot_be_read_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, after: int
) -> None:
    """Whichever read fails: that of the file's end, of a header or of an array."""
    arrays: dict[str, np.ndarray] = {"t": np.arange(9), "x": np.zeros(npz.MMAP_FROM, dtype=np.uint8)}
    path = tmp_path / "a.npz"
    path.write_bytes(encoded(arrays))
    left = [after]

    class Flaky(io.FileIO):
        def read(self, *args: Any) -> Any:
            self._fail()
            return super().read(*args)

        def _fail(self) -> None:
            left[0] -= 1
            if left[0] == -1:
                raise OSError(number, os.strerror(number))

    monkeypatch.setattr(io, "open", lambda name, *_: Flaky(name))
    with pytest.raises(OSError, match=os.strerror(number)):
        read_npz(path, expected(arrays))
