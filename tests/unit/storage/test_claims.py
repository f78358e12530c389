"""Claims: one holder at a time, and trouble with the disk is said in Kadr's words."""

from __future__ import annotations

import errno
import fcntl
import os
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
