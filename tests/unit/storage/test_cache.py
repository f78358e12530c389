"""Copies of objects on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from kadr.contracts.errors import StoreFailure
from kadr.storage.cache import Cache


def writes(body: bytes) -> Callable[[BinaryIO], None]:
    def write(file: BinaryIO) -> None:
        file.write(body)

    return write


def fill(cache: Cache, key: str, body: bytes) -> Path:
    with cache.copy(key, len(body), writes(body)) as path:
        assert path.read_bytes() == body
    return path


def never(file: BinaryIO) -> None:
    raise AssertionError("it is here")


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    paths = {key: fill(cache, key, key.encode() * 300) for key in "abc"}
    for age, key in enumerate("cba"):
        os.utime(paths[key], (1000 + age, 1000 + age))
    with cache.copy("a", 300, never), cache.copy("b", 300, never):
        pass
    fill(cache, "d", b"d" * 300)
    assert {key for key in "abc" if paths[key].exists()} == {"a", "b"}


def test_what_is_read_is_never_removed(tmp_path: Path) -> None:
    cache, other = Cache(tmp_path, 1000), Cache(tmp_path, 1000)
    with cache.copy("a", 900, writes(b"a" * 900)) as held:
        for i in range(5):
            fill(other, f"{i}", b"x" * 500)
        assert held.read_bytes() == b"a" * 900
    fill(other, "5", b"x" * 500)
    assert not held.exists()


def test_a_copy_that_is_not_whole_is_no_copy(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    with pytest.raises(StoreFailure, match="3 bytes came of 5"), cache.copy("a", 5, writes(b"abc")):
        pass
    assert list(cache.scratch().iterdir()) == []
    path = fill(cache, "a", b"whole")
    path.write_bytes(b"wh")
    assert fill(cache, "a", b"whole") == path


def test_a_file_is_taken_over(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    path = cache.scratch() / "x"
    path.write_bytes(b"body")
    cache.adopt("a", path)
    assert not path.exists()
    with cache.copy("a", 4, never) as copy:
        assert copy.read_bytes() == b"body"


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 1000)
    shutil.rmtree(tmp_path / "cache")
    fill(cache, "a", b"body")
