"""Blobs: arrays that grow on disk, where they were told to, under no name."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kadr.media.blob import Blob, set_scratch


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    set_scratch(tmp_path)
    yield tmp_path
    set_scratch(None)


def test_what_was_appended_comes_back(scratch: Path) -> None:
    blob = Blob("int16")
    blob.append(np.array([1, -2]))
    blob.pad(3)
    blob.append(np.array([7], dtype="int16").tobytes())
    assert len(blob) == 6
    assert blob.finish().tolist() == [1, -2, 0, 0, 0, 7]
    assert Blob("int16").finish().tolist() == []


@pytest.mark.skipif(sys.platform != "linux", reason="open files are looked up in Linux's /proc")
def test_it_grows_in_the_scratch_folder_and_has_no_name_there(scratch: Path) -> None:
    blob = Blob("uint8")
    blob.append(b"x" * 100_000)
    opened = [
        os.readlink(f"/proc/self/fd/{fd.name}") for fd in os.scandir("/proc/self/fd") if fd.is_symlink()
    ]
    assert [name for name in opened if name.startswith(f"{scratch}/")]
    assert list(scratch.iterdir()) == [], "a process killed now would leave a file"
    assert len(blob.finish()) == 100_000
