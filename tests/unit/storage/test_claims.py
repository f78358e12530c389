"""Claims: one holder at a time, and trouble with the disk is said in Kadr's words."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from kadr.contracts.errors import NoSpaceLeft, StoreFailure
from kadr.storage.claims import FileClaims


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    claims, others = FileClaims(tmp_path / "claims"), FileClaims(tmp_path / "claims")
    claim = claims.take("k")
    assert claim is not None
    before = open_files()
    assert others.take("k") is None
    assert open_files() == before
    other = others.take("l")
    assert other is not None
    other.release()
    claim.release()
    again = others.take("k")
    assert again is not None
    again.release()
    assert list((tmp_path / "claims").iterdir()) == []


def test_who_only_looks_keeps_nobody_from_taking(tmp_path: Path) -> None:
    claims, others, end = FileClaims(tmp_path), FileClaims(tmp_path), threading.Event()

    def looking() -> None:
        while not end.is_set():
            others.is_held("k")

    looker = threading.Thread(target=looking)
    looker.start()
    try:
        for _ in range(300):
            claim = claims.take("k")
            assert claim is not None
            assert others.is_held("k")
            claim.release()
            assert not others.is_held("k")
    finally:
        end.set()
        looker.join()


def test_a_sweep_is_never_taken_for_a_holder(tmp_path: Path) -> None:
    claims, end = FileClaims(tmp_path), threading.Event()

    def sweeping() -> None:
        while not end.is_set():
            claims.sweep()

    sweeper = threading.Thread(target=sweeping)
    sweeper.start()
    try:
        for i in range(500):
            (tmp_path / f"k{i}.lock").touch()  # of a process that was killed
            claim = claims.take(f"k{i}")
            assert claim is not None
            assert FileClaims(tmp_path).take(f"k{i}") is None
            claim.release()
    finally:
        end.set()
        sweeper.join()


def test_a_taker_waits_for_a_slow_sweep(tmp_path: Path) -> None:
    path = tmp_path / "k.lock"
    with path.open("wb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.1, looking.close).start()
        claim = FileClaims(tmp_path).take("k")
    assert claim is not None


def test_what_killed_processes_left_is_swept_and_what_is_held_is_not(tmp_path: Path) -> None:
    claims = FileClaims(tmp_path)
    (tmp_path / "left.lock").touch()
    held = claims.take("held")
    assert held is not None
    claims.sweep()
    assert [p.name for p in tmp_path.iterdir()] == ["held.lock"]
    assert claims.take("held") is None
    held.release()


def test_a_claim_that_cannot_be_made_is_the_stores_failure(tmp_path: Path) -> None:
    with pytest.raises(StoreFailure, match=r"claim x+: File name too long"):
        FileClaims(tmp_path).take("x" * 300)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreFailure, match="claim k"):
        FileClaims(tmp_path / "file").take("k")


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOLCK, StoreFailure), (errno.ENOSPC, NoSpaceLeft)])
def test_a_system_without_locks_leaks_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StoreFailure]
) -> None:
    def refuse(handle: int, operation: int) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = open_files()
    with pytest.raises(kind, match="claim k"):
        FileClaims(tmp_path).take("k")
    assert open_files() == before


def test_a_claim_is_given_up_even_if_its_file_cannot_be_removed(tmp_path: Path) -> None:
    claim = FileClaims(tmp_path).take("k")
    assert claim is not None
    (tmp_path / "k.lock").unlink()
    (tmp_path / "k.lock").mkdir()
    before = open_files()
    with pytest.raises(StoreFailure):
        claim.release()
    assert open_files() == before - 1
