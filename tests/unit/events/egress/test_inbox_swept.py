"""What lies in an inbox and was never told of is found, whatever the clock here says beside the store's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cli.compose import Machine
from events.admission import Admission
from events.inbox import TOLD_MS, Inbox
from kadr.contracts.profile import Profile
from kadr.storage.cache import Cache
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
