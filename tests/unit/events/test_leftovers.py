"""What nobody comes back for goes by its age, and what an open run still needs stays."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask

from api.app import Api, Begun
from cli.compose import Machine
from events.inbox import address
from events.leftovers import DAY_MS, Leftovers
from kadr.contracts.errors import ObjectMissing
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.contracts.run import Request
from kadr.pipeline.admission import request_for
from kadr.storage import layout
from kadr.storage.cache import Cache
from kadr.storage.files import FOLDER_S
from kadr.storage.s3 import S3Store
from kadr.storage.s3_bucket import S3Bucket
from tests.servers_s3 import CACHE, Start, started

__all__ = ["started"]

OWNER = "main"


@dataclass
class House:
    store: S3Store
    bucket: S3Bucket

    def after(self, days: float) -> int:
        left = Leftovers(self.store, self.bucket, self.store.sweep)
        return left.once(time.time_ns() // 1_000_000 + int(days * DAY_MS))

    def uploaded(self, name: str) -> str:
        key = f"{layout.uploads_prefix(OWNER)}{name}"
        self.store.put(key, b"bytes")
        return key

    def run(self, key: str, more: tuple[str, ...] = ()) -> Request:
        question = Machine().question(Profile(components=("loudness",)))
        asked = request_for(question, "v.mp4", address(key, "e t&g"), None, OWNER)
        for name in ("request.json", *more):
            body = asked.model_dump(mode="json") if name == "request.json" else {}
            self.store.put(layout.state_prefix(OWNER, asked.run_id) + name, jcs(body))
        return asked


@pytest.fixture
def house(started: Start, tmp_path: Path) -> House:
    client = started("juicefs").client()
    return House(S3Store(client, Cache(tmp_path / "cache", CACHE)), S3Bucket(client))


def test_an_upload_that_no_open_run_names_goes_after_a_day(house: House) -> None:
    nobodys, wanted, ended = (house.uploaded(f"{n:032x}/v ü+{n}.mp4") for n in range(3))
    house.store.put("inbox/main/dropped.mp4", b"asks for a run by itself")
    house.run(wanted)
    house.run(ended, ("done.1." + "d" * 64 + ".json",))
    assert house.after(0.9) == 0
    assert house.after(1.1) == 2
    assert list(house.store.list("inbox/")) == [wanted, "inbox/main/dropped.mp4"]
    assert not house.store.exists(nobodys)


def test_parts_of_an_upload_that_was_broken_off_are_forgotten(house: House) -> None:
    app = Flask("test")
    api = Api(house.store, house.bucket, lambda owner, body, key: Begun(house.run("")), print, "word", OWNER)
    app.register_blueprint(api.blueprint())
    client, key = app.test_client(), {"Authorization": "Bearer word"}
    begun = client.post("/v1/uploads", json={"name": "v.mp4", "size": 65 << 20}, headers=key).get_json()
    at = begun["key"], begun["upload_id"]
    assert house.after(0.9) == 0
    assert house.bucket.parts(*at) == []
    assert house.after(1.1) == 1
    with pytest.raises(ObjectMissing):
        house.bucket.parts(*at)
    assert list(house.store.list("")) == []


def test_refused_events_are_kept_a_month(house: House) -> None:
    house.store.put(layout.rejected("a" * 64), b"{}")
    assert house.after(29.9) == 0
    assert house.after(30.1) == 1


def test_what_a_killed_fetch_left_goes_from_the_disk(house: House) -> None:
    scratch = house.store.scratch()
    for name in ("dead", "alive"):
        (scratch / name).mkdir()
        (scratch / name / "video.file").write_bytes(b"half")
    ago = time.time() - FOLDER_S - 60
    for path in (scratch / "dead/video.file", scratch / "dead", scratch / "alive"):
        os.utime(path, (ago, ago))
    house.after(0)
    assert [path.name for path in scratch.iterdir()] == ["alive"]


def test_a_pass_is_due_once_an_hour(house: House) -> None:
    passes: list[int] = []

    def counted() -> int:
        passes.append(1)
        return 0

    left = Leftovers(house.store, house.bucket, counted)
    for _ in range(3):
        left.sweep()
    assert passes == [1]
