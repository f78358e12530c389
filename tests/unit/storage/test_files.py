"""The file store beyond the contract of all stores: who may read it, and what killed processes leave behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kadr.contracts.errors import StoreFailure
from kadr.storage.files import ABANDONED_S, FileStore, temporary

KILLED = """
import os, signal, sys
from pathlib import Path
from kadr.storage.files import FileStore, temporary
with temporary(FileStore(Path(sys.argv[1])).scratch()) as (file, path):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_only_its_user_can_look_into_a_new_store_and_the_umask_holds_below(
    tmp_path: Path, umask: int
) -> None:
    store = FileStore(tmp_path / "home" / "store")
    store.put("a/b.json", b"{}")
    assert mode(store.root) == 0o700
    assert mode(store.root / "a" / "b.json") == 0o666 & ~umask
    assert mode(store.root / "a") == 0o777 & ~umask


def test_the_mode_of_a_store_that_is_there_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    root.chmod(0o750)
    FileStore(root).put("a", b"")
    assert mode(root) == 0o750


def aged(path: Path) -> Path:
    then = path.stat().st_mtime - ABANDONED_S - 1
    os.utime(path, (then, then))
    return path


def test_a_killed_process_leaves_nothing_for_ever(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    subprocess.run([sys.executable, "-c", KILLED, str(store.root)], check=False, timeout=60)
    (left,) = store.scratch().iterdir()
    assert store.sweep() == 0, "so young a file may be one that is about to be locked"
    aged(left)
    assert store.sweep() == 1
    assert list(store.scratch().iterdir()) == []


def test_sweeping_spares_what_is_still_written(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    with temporary(store.scratch()) as (file, path):
        file.write(b"slowly")
        file.flush()
        aged(path)
        assert store.sweep() == 0
        store.put_file("a", path)
    assert store.get("a") == b"slowly"
    assert list(store.scratch().iterdir()) == []


def test_sweeping_a_store_that_is_not_there_yet(tmp_path: Path) -> None:
    assert FileStore(tmp_path / "none").sweep() == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links are a matter of POSIX")
def test_what_cannot_be_looked_at_is_the_stores_failure_and_not_missing(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put("a/b", b"")
    (tmp_path / "a/round").symlink_to("round")
    with pytest.raises(StoreFailure, match="a/round"):
        store.exists("a/round")
    with pytest.raises(StoreFailure, match="a/round"), store.local("a/round"):
        pass
    assert not store.exists("a/b/c")
    assert not store.exists("b")


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path)
    store.put("a/b/c", b"")

    def failing(path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(StoreFailure, match="Input/output error"):
        store.list("a/")
