"""What lies in an inbox and was never told of is found, whatever the clock here says beside the store's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import pytest

from cli.compose import Machine
from events.admission import Admission
from events.inbox import TOLD_MS, Inbox
from kadr.contracts.profile import Profile
from kadr.storage.bucket import Bucket
from kadr.storage.cache import Cache
from kadr.storage.files import FileStore
from kadr.storage.s3 import S3Store
from kadr.storage.s3_bucket import S3Bucket
from tests.servers_s3 import CACHE, Start, started

__all__ = ["started"]


def test_an_inbox_is_swept_by_any_clock(
    started: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = started("juicefs").client()
    store, bucket = S3Store(client, Cache(tmp_path / "cache", CACHE)), S3Bucket(client)
    store.put("inbox/anna/v.mp4", b"a video")
    inbox = Inbox(store, bucket, "kadr", Admission(store, Machine().question, Profile(components=("probe",))))

    def asked() -> int:
        inbox.sweep()
        return sum(name.endswith("/request.json") for name in store.list("state/"))

    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + 2_000_000_000)
    assert asked() == 0  # it is about to be told of
    monkeypatch.setattr(time, "time_ns", lambda: now_ns - 10 * TOLD_MS * 1_000_000)
    assert asked() == 1
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + 10 * TOLD_MS * 1_000_000)
    assert asked() == 1  # the same one


def test_a_file_under_a_name_that_no_owner_has_is_told_of_once(tmp_path: Path) -> None:
    store, told = FileStore(tmp_path / "store"), list[str]()
    admission = Admission(store, Machine().question, Profile(components=("probe",)))
    inbox = Inbox(store, cast(Bucket, None), "kadr", admission, told.append)
    for name in ("inbox/Main/a.mp4", "inbox/Main/b.mp4", "inbox/a.mp4", "inbox/main/.uploads/x/a.mp4"):
        store.put(name, b"a video")
    for _ in range(2):
        inbox.sweep()
    assert len(told) == 2
    assert all("put it at inbox/OWNER/NAME" in one for one in told)
    assert "inbox/Main/a.mp4" in "".join(told)
    assert list(store.list("state/")) == []
