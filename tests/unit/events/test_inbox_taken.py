"""What becomes of a file in the inbox when its video is taken over, whenever the process dies and whatever lies there then."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from cli.compose import Machine
from events.acquire import Acquire
from events.admission import Admission
from events.inbox import Inbox, address
from events.sources import Sources
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.contracts.run import Request
from kadr.pipeline.admission import request_for
from kadr.storage import layout
from kadr.storage.bucket import Bucket, Pinned
from kadr.storage.files import FileStore

NAME = "inbox/anna/v.mp4"
VIDEO, OTHER = b"a video" * 100, b"another one" * 100
ID = hashlib.sha256(VIDEO).hexdigest()


@dataclass
class Folder:
    """Of a bucket, what ``acquire`` needs, over files; an ETag is a hash of the bytes."""

    store: FileStore

    def stat(self, name: str, version: str | None = None) -> Pinned:
        body = self.store.get(name)
        return Pinned(name, len(body), hashlib.md5(body).hexdigest(), None, 0)

    def read_range(self, pinned: Pinned, offset: int, length: int) -> bytes:
        return self.store.get(pinned.name)[offset : offset + length]

    def copy(self, source: Pinned, target: str) -> None:
        self.store.put(target, self.store.get(source.name))


class Overtaken(FileStore):
    """While the record of the video is written, somebody puts another file where it lay."""

    def put(self, name: str, body: bytes) -> None:
        super().put(name, body)
        if name.endswith(".ok.json"):
            super().put(NAME, OTHER)


class Dying(FileStore):
    """The process dies when it is about to delete something."""

    def delete(self, name: str) -> None:
        raise SystemExit


def house(store: FileStore) -> tuple[Acquire, Request]:
    bucket: Any = Folder(store)
    store.put(NAME, VIDEO)
    question = Machine().question(Profile(components=("loudness",)))
    asked = request_for(question, "v.mp4", address(NAME, bucket.stat(NAME).etag), None, "anna")
    store.put(layout.request("anna", asked.run_id), jcs(asked.model_dump(mode="json")))
    return Acquire(store, cast(Bucket, bucket), Sources(store, bucket, lambda name: bucket), "kadr"), asked


def test_it_goes_when_the_video_is_on_record(tmp_path: Path) -> None:
    acquire, asked = house(FileStore(tmp_path))
    record = acquire.acquire(asked, 1)
    assert acquire.store.exists(record)
    assert acquire.store.get(layout.video_source("anna", ID)) == VIDEO
    assert not acquire.store.exists(NAME)


def test_another_file_that_was_put_there_meanwhile_stays(tmp_path: Path) -> None:
    """Its own run asks for it: without it that run would fail, and the file be lost."""
    acquire, asked = house(Overtaken(tmp_path))
    acquire.acquire(asked, 1)
    assert acquire.store.get(NAME) == OTHER
    acquire.acquire(asked, 1)  # told again
    assert acquire.store.get(NAME) == OTHER


def test_who_died_before_it_went_is_followed_by_one_who_removes_it(tmp_path: Path) -> None:
    acquire, asked = house(Dying(tmp_path))
    with pytest.raises(SystemExit):
        acquire.acquire(asked, 1)
    assert acquire.store.exists(NAME)
    again = Acquire(FileStore(tmp_path), acquire.bucket, acquire.sources, "kadr")
    record = again.acquire(asked, 1)
    assert again.store.exists(record)
    assert not again.store.exists(NAME)


class Counted(Folder):
    """Counts who asks for an object's size and age."""

    asked = 0

    def stat(self, name: str, version: str | None = None) -> Pinned:
        self.asked += 1
        return replace(super().stat(name), modified_ms=self.store.modified_ms(name))


def test_what_stays_in_an_inbox_is_asked_about_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that no run could take over lies there until somebody removes it; the reconciler looks every few seconds."""
    store = FileStore(tmp_path)
    bucket: Any = Counted(store)
    inbox = Inbox(
        store, bucket, "kadr", Admission(store, Machine().question, Profile(components=("loudness",)))
    )
    store.put(NAME, VIDEO)
    for looked in (1, 2):  # it is about to be told of
        inbox.sweep()
        assert (bucket.asked, len(list(store.list("state/")))) == (looked, 0)
    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + 60_000_000_000)
    for _ in range(3):
        inbox.sweep()
        assert (bucket.asked, len(list(store.list("state/")))) == (3, 1)
    store.put(NAME, OTHER)
    os.utime(tmp_path / NAME, ns=(now_ns + 20_000_000_000, now_ns + 20_000_000_000))
    inbox.sweep()
    assert (bucket.asked, len(list(store.list("state/")))) == (4, 2)
    store.delete(NAME)
    inbox.sweep()
    assert not inbox._asked
