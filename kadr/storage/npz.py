"""NPZ codec: arrays in an uncompressed zip of .npy members, without pickles, large members read by mmap."""

from __future__ import annotations

import errno
import mmap
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from kadr.contracts.artifact import Arrays
from kadr.contracts.errors import InvalidObject
from kadr.contracts.stretches import stretches

MMAP_FROM = 128 << 10
"""Members of at least this many bytes are mapped rather than read (and then not CRC-checked)."""
_OF_DAMAGE = (zipfile.BadZipFile, ValueError, OSError, EOFError, struct.error, NotImplementedError)
_LOCAL_HEADER = struct.Struct("<4s22xHH")


def write_npz(file: BinaryIO, arrays: Arrays) -> None:
    """Write ``arrays`` to ``file``; equal arrays give equal bytes. Raises ValueError for objects."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            info = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(info, "w", force_zip64=True) as member:
                _write(member, np.asarray(arrays[name], order="C"))


def _write(member: IO[bytes], array: np.ndarray) -> None:
    if array.dtype.hasobject:
        raise ValueError(f"an array of {array.dtype} holds Python objects: an NPZ keeps numbers only")
    npy.write_array_header_1_0(member, npy.header_data_from_array_1_0(array))
    for stretch in stretches(array):
        member.write(stretch)


def read_npz(path: Path, expected: Mapping[str, tuple[str, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    """Arrays of the file at ``path``, each checked against ``expected`` {name: (dtype name, shape)}.

    Raises InvalidObject when the file is damaged, holds other arrays, or an array is not what was expected; OSError when it
    could not be read, which says nothing of what is in it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if set(members) != set(expected):
                raise InvalidObject(f"{path.name} holds {sorted(members)}, expected {sorted(expected)}")
            arrays = {
                n: _read(path, archive, members[n], _dtype(d), shape) for n, (d, shape) in expected.items()
            }
    except (*_OF_DAMAGE, InvalidObject) as error:
        if (unread := _unread(error)) is not None:
            raise unread from None
        if isinstance(error, InvalidObject):
            raise
        raise InvalidObject(f"{path.name} is damaged: {error}") from error
    return arrays


def _unread(error: BaseException | None) -> OSError | None:
    """The system's own failure behind ``error``, which zipfile and numpy take for damage; None if the bytes are at fault.

    Damaged bytes make invalid arguments (EINVAL), and errors that have no number.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            return error
        error = error.__cause__ or error.__context__
    return None


def _read(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> np.ndarray:
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise InvalidObject(f"{path.name}: member {info.filename} is compressed or encrypted")
    with archive.open(info) as member:
        found = _header(member)
        if found != (shape, False, dtype):
            raise InvalidObject(f"{path.name}: {info.filename} is {found}, expected {dtype} {shape}")
        if info.file_size < MMAP_FROM:
            return _exact(member.read(), dtype, shape)
        start = _data_offset(path, info) + member.tell()
    return np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape)


def _dtype(name: str) -> np.dtype[Any]:
    if name not in np.sctypeDict:
        raise InvalidObject(f"{name!r} is no type of an array's elements")
    return np.dtype(name)


def _header(member: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if npy.read_magic(member) != (1, 0):
        raise InvalidObject("not a version 1.0 .npy member")
    try:
        shape, fortran, dtype = npy.read_array_header_1_0(member)
    except (
        Exception
    ) as error:  # numpy reads it as Python source: of damaged bytes that raises whatever a compiler may
        raise InvalidObject(f"a .npy header that is none: {error}") from error
    return shape, bool(fortran and len(shape) > 1), dtype


def _exact(body: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    if len(body) != dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
        raise InvalidObject(f"an array of {len(body)} bytes cannot have shape {shape}")
    array = np.frombuffer(body, dtype).reshape(shape)
    return array


def _data_offset(path: Path, info: zipfile.ZipInfo) -> int:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        magic, name, extra = _LOCAL_HEADER.unpack_from(view, info.header_offset)
    if magic != b"PK\x03\x04":
        raise InvalidObject(f"{path.name}: no local header for {info.filename}")
    return int(info.header_offset) + _LOCAL_HEADER.size + int(name) + int(extra)
