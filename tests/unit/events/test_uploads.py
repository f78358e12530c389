"""An upload by the API, in parts as the documentation tells it, and what a run that is asked for too early is told."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api import app as api_app
from api.app import Api, Begun
from cli.compose import Machine
from events.acquire import Acquire
from events.admission import Admission
from events.asking import submission
from events.inbox import Inbox
from events.ingest import Ingest
from events.sources import Sources
from events.uploads import Uploads
from kadr.contracts.profile import Profile
from kadr.contracts.run import Request
from kadr.pipeline.admission import read_request
from kadr.storage.cache import Cache
from kadr.storage.s3 import S3Store
from kadr.storage.s3_bucket import S3Bucket
from tests.servers_s3 import CACHE, Start, started

__all__ = ["started"]

TOKEN = {"Authorization": "Bearer secret"}
PART = 5 << 20
SIZE = PART + 1000


class House:
    """The two entrances over a real object store, and the step that takes a video over."""

    def __init__(self, store: S3Store, bucket: S3Bucket) -> None:
        self.store = store
        profile = Profile(components=("loudness",))
        admission = Admission(store, Machine().question, profile, pinned=Uploads(store, bucket).pinned)

        def submit(owner: str, body: dict[str, Any], key: str | None) -> Begun:
            asked = submission(owner, key or body.pop("name"), body)
            return Begun(admission.admit(replace(asked, exact=key is not None)).request)

        inbox = Inbox(store, bucket, "kadr", admission)
        app = Flask("uploads")
        app.register_blueprint(Api(store, bucket, submit, lambda name: None, "secret", "main").blueprint())
        app.register_blueprint(Ingest(store, inbox, admission, lambda names: None, "secret").blueprint())
        self.client: FlaskClient = app.test_client()
        self._acquire = Acquire(store, bucket, Sources(store, bucket, lambda name: bucket), "kadr")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        answer = self.client.open(path, method=method, json=body, headers={**TOKEN, **headers})
        return answer.status_code, json.loads(answer.data)

    def begin(self, key: str, name: str, **headers: str) -> tuple[int, Any]:
        source = {"type": "upload", "key": key}
        return self.ask("POST", "/v1/runs", {"video_source": source, "name": name}, **headers)

    def take_over(self, run_id: str) -> Request:
        asked = read_request(self.store, "main", run_id)
        self._acquire.acquire(asked, 1)
        return asked


@pytest.fixture
def house(started: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(api_app, "PART_BYTES", PART)
    client = started("juicefs").client()
    return House(S3Store(client, Cache(tmp_path / "cache", CACHE)), S3Bucket(client))


def put(url: str, body: bytes) -> None:
    urllib.request.urlopen(urllib.request.Request(url, body, method="PUT"), timeout=30).close()


def test_parts_are_put_resumed_and_completed_and_a_run_that_is_asked_for_before_is_told_so(
    house: House,
) -> None:
    status, begun = house.ask("POST", "/v1/uploads", {"name": "v.mp4", "size": SIZE})
    assert (status, begun["part_bytes"], sorted(begun["parts"])) == (201, PART, ["1", "2"])
    key, upload = begun["key"], begun["upload_id"]
    put(begun["parts"]["1"], bytes(PART))
    _, rest = house.ask("GET", f"/v1/uploads/{upload}?key={key}&size={SIZE}")
    assert (rest["done"], list(rest["parts"])) == ([1], ["2"])
    complete = f"/v1/uploads/{upload}/complete"
    status, said = house.begin(key, "early")
    assert (status, f"POST {complete}" in said["detail"]) == (409, True)
    event = {"specversion": "1.0", "id": "e", "source": "/x", "type": "dev.kadr.run.requested.v1"}
    source = {"type": "upload", "key": key}
    data = {**event, "data": {"user_id": "main", "video_source": source}}
    answer = house.client.post(
        "/events", data=json.dumps(data), headers=TOKEN, content_type="application/cloudevents+json"
    )
    assert (answer.status_code, complete in json.loads(answer.data)["detail"]) == (409, True)
    assert list(house.store.list("state/")) == []
    assert house.ask("POST", complete, {"key": key, "size": SIZE})[0] == 409
    put(rest["parts"]["2"], bytes(SIZE - PART))
    assert house.ask("POST", complete, {"key": key, "size": SIZE})[0] == 200
    assert house.begin(key, "now")[0] == 202


def test_two_who_ask_for_one_upload_have_two_runs_of_the_same_video(house: House) -> None:
    _, begun = house.ask("POST", "/v1/uploads", {"name": "v.mp4", "size": 7})
    status, said = house.begin(begun["key"], "early")
    assert (status, "put the file first" in said["detail"]) == (409, True)
    put(begun["url"], b"a video")
    first, second = (house.begin(begun["key"], name)[1]["run_id"] for name in ("one", "two"))
    keyed = {"Idempotency-Key": "mine"}
    third = house.begin(begun["key"], "three", **keyed)[1]["run_id"]
    source = house.take_over(first).source
    assert list(house.store.list("inbox/")) == []
    assert house.take_over(second).source == source
    assert house.begin(begun["key"], "three", **keyed)[1]["run_id"] == third
    status, said = house.begin(begun["key"], "four")
    assert (status, "etag" in said["detail"]) == (409, True)


def test_a_file_that_nobody_dropped_is_refused(house: House) -> None:
    status, said = house.begin("inbox/main/nope.mp4", "nope")
    assert (status, "inbox/main/nope.mp4 is not there" in said["detail"]) == (409, True)
    assert list(house.store.list("state/")) == []


def test_all_that_an_upload_lacks_is_said_at_once(house: House) -> None:
    for method, path, words in (
        ("POST", "/v1/uploads", ("name", "size")),
        ("GET", "/v1/uploads/u", ("key", "size")),
        ("POST", "/v1/uploads/u/complete", ("key", "size")),
    ):
        status, said = house.ask(method, path, {})
        assert (status, [word in said["detail"] for word in words]) == (422, [True, True])
