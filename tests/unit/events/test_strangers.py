"""What strangers send to the API, as events and as notices: refused in words, or taken; never our failure, to be sent for ever."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import MAX_BYTES, Api, BadRequest, Begun
from api.webhooks import TESTS, WebhookRoutes, WebhookService
from cli.compose import Machine
from events.admission import Admission
from events.asking import submission
from events.egress.filter import Filter
from events.inbox import Inbox
from events.ingest import Ingest
from events.problems import add_problems
from index.webhooks import Webhook, Webhooks
from kadr.contracts.profile import Profile
from kadr.storage import layout
from kadr.storage.bucket import Bucket
from kadr.storage.files import FileStore

HALF = "\ud800"
S3 = {"type": "s3", "bucket": "raw", "key": "a.mp4"}
NESTED = json.loads("[" * 900 + "]" * 900)
TOKEN = {"Authorization": "Bearer secret"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    store = FileStore(tmp_path_factory.mktemp("strangers") / "store")
    admission = Admission(store, Machine().question, Profile(components=("loudness",)))
    bucket = cast(Bucket, None)  # nothing gets as far as that
    told = iter(range(1000))

    def submit(owner: str, body: dict[str, Any], key: str | None) -> Begun:
        return Begun(admission.admit(submission(owner, str(next(told)), body)).request)

    ingest = Ingest(store, Inbox(store, bucket, "kadr", admission), admission, lambda names: None, "secret")
    app = Flask("strangers")
    app.register_blueprint(ingest.blueprint())
    app.register_blueprint(Api(store, bucket, submit, lambda name: None, "secret", "main").blueprint())
    app.config["MAX_CONTENT_LENGTH"] = 1 << 20
    add_problems(app)
    return app.test_client()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "title"),
    [
        ("GET", "/v1/nothing", b"", 404, "NotFound"),
        ("DELETE", "/v1/runs", b"", 405, "MethodNotAllowed"),
        ("POST", "/v1/runs", b" " * (2 << 20), 413, "RequestEntityTooLarge"),
        ("POST", "/v1/runs", b"{", 422, "BadRequest"),
    ],
)
def test_whoever_refuses_it_does_so_in_one_form(
    client: FlaskClient, method: str, path: str, body: bytes, status: int, title: str
) -> None:
    answer = client.open(path, method=method, data=body, headers=TOKEN)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    said = json.loads(answer.data)
    assert (said["status"], said["title"], said["retryable"]) == (status, title, False)
    assert said["detail"]
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_damaged_object_of_ours_is_our_failure(tmp_path: Path) -> None:
    store, run_id = FileStore(tmp_path / "store"), "0" * 36
    store.put(layout.request("main", run_id), b"{")
    app = Flask("damaged")
    nothing = cast(Any, None)
    app.register_blueprint(Api(store, nothing, nothing, nothing, "secret", "main").blueprint())
    add_problems(app)
    answer = app.test_client().get(f"/v1/runs/{run_id}", headers=TOKEN)
    said = json.loads(answer.data)
    assert (answer.status_code, said["title"], said["retryable"]) == (500, "InvalidObject", False)


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "ä"])
def test_a_key_that_is_none_is_refused(client: FlaskClient, key: str) -> None:
    headers = {**TOKEN, "Idempotency-Key": key}
    answer = client.post("/v1/runs", data=json.dumps({"video_source": S3}), headers=headers)
    assert answer.status_code == 422
    assert "Idempotency-Key" in json.loads(answer.data)["detail"]


@pytest.mark.parametrize(
    "more",
    [
        {"meta": {"a": 2**70}},
        {"meta": {"a": float("nan")}},
        {"meta": {"a": HALF}},
        {"meta": {"a": NESTED}},
        {"name": HALF},
        {"profile_config": {"name": HALF, "components": ["shots"]}},
        {"profile_config": {"components": ["shots"], "cache_ttl_days": 10**30}},
        {"profil": "fast"},
        {"profile": "fast", "profile_config": "fast"},
        {"callback_url": f"https://c.example/{HALF}"},
        {"callback_url": "https://exämple.com/"},
        {"video_source": {**S3, "key": HALF}},
        {"video_source": {**S3, "bucket": "["}},
        {"video_source": {**S3, "bucket": "a℀b"}},
        {"video_source": {**S3, "bucket": "x@kadr"}},
        {"video_source": {**S3, "bucket": "kadr?x"}},
        {"video_source": {**S3, "key": "raw/../../anna/a.mp4"}},
        {"video_source": {"type": "upload", "key": "inbox/main/../anna/a.mp4"}},
        {"video_source": {"type": "upload", "key": "inbox/main/a.mp4", "etag": HALF}},
    ],
    ids=lambda more: ascii(more)[:60],
)
def test_what_cannot_be_asked_for_is_refused_by_both_entrances(
    client: FlaskClient, more: dict[str, Any]
) -> None:
    asked = {"video_source": S3, **more}
    answer = client.post("/v1/runs", data=json.dumps(asked), headers=TOKEN)
    assert 400 <= answer.status_code < 500
    assert json.loads(answer.data)["detail"]
    event = {"specversion": "1.0", "id": "e", "source": "/x", "type": "dev.kadr.run.requested.v1"}
    body = json.dumps({**event, "data": {**asked, "user_id": "main"}})
    kind = {"Content-Type": "application/cloudevents+json"}
    answer = client.post("/events", data=body, headers={**TOKEN, **kind})
    assert answer.status_code == 202
    assert json.loads(answer.data)["rejected"]


def test_an_event_whose_id_no_text_can_hold_is_kept_as_malformed(client: FlaskClient) -> None:
    event = {"specversion": "1.0", "id": HALF, "source": "/x", "type": "dev.kadr.run.requested.v1"}
    body = json.dumps({**event, "data": {"user_id": "main", "video_source": S3}})
    answer = client.post(
        "/events", data=body, headers={**TOKEN, "Content-Type": "application/cloudevents+json"}
    )
    assert answer.status_code == 202
    assert "attribute id" in json.loads(answer.data)["rejected"]


@pytest.mark.parametrize("key", ["inbox/../x", "inbox/Anna/x", f"inbox/{'a' * 1000}/x", f"inbox/anna/{HALF}"])
def test_a_notice_that_can_ask_for_nothing_is_answered_once_and_for_all(
    client: FlaskClient, key: str
) -> None:
    found = {"bucket": {"name": "kadr"}, "object": {"key": key, "eTag": "e"}}
    notice = {"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": found}]}
    assert client.post("/notifications", data=json.dumps(notice), headers=TOKEN).status_code < 300


def test_a_damaged_request_is_no_reason_to_send_a_notice_again(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    admission = Admission(store, Machine().question, Profile(components=("loudness",)))
    inbox = Inbox(store, cast(Bucket, None), "kadr", admission)
    app = Flask("damaged")
    app.register_blueprint(Ingest(store, inbox, admission, lambda names: None, "secret").blueprint())
    client = app.test_client()
    found = {"bucket": {"name": "kadr"}, "object": {"key": "inbox/anna/x", "eTag": "e"}}
    notice = json.dumps({"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": found}]})
    assert client.post("/notifications", data=notice, headers=TOKEN).status_code == 204
    (name,) = store.list("state/")
    store.put(name, b"{")
    assert client.post("/notifications", data=notice, headers=TOKEN).status_code == 204
    assert store.get(name) == b"{"  # what is left of it is not written over


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", HALF, "a" * 201, "a\x7f"])
def test_names_that_no_upload_can_have_are_refused(client: FlaskClient, name: str) -> None:
    answer = client.post("/v1/uploads", data=json.dumps({"name": name, "size": 1}), headers=TOKEN)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("key", "size"),
    [
        ("a.mp4", "²"),
        ("a.mp4", "9" * 5000),
        ("a.mp4", MAX_BYTES + 1),
        ("a.mp4", 0),
        ("..", 5),
        ("../../../anna/.uploads/x", 5),
    ],
)
def test_an_upload_is_asked_about_within_bounds(client: FlaskClient, key: str, size: object) -> None:
    """Each part of it is a signed URL: of a size without bounds there would be millions."""
    name = f"{layout.uploads_prefix('main')}{'0' * 32}/{key}"
    answer = client.get("/v1/uploads/u", query_string={"key": name, "size": size}, headers=TOKEN)
    assert answer.status_code == 422
    told = json.dumps({"key": name, "size": size})
    assert client.post("/v1/uploads/u/complete", data=told, headers=TOKEN).status_code == 422


@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://a.example/",
        "https://ä.example/",
        "https://a.example/ b",
        "https://u@a.example/",
        "https:///x",
        "https://a.example:0/",
        "https://[::1/",
        f"https://a.example/{'a' * 2000}",
        f"https://{HALF}/",
        7,
    ],
)
def test_urls_that_could_never_be_told_make_no_webhook(url: object) -> None:
    service = WebhookService(cast(Webhooks, object()), lambda: "", lambda webhook: {}, ["k"])
    with pytest.raises(BadRequest, match="https://"):
        service.add("main", {"url": url})


def test_a_url_to_which_nothing_would_go_makes_no_webhook() -> None:
    service = WebhookService(cast(Webhooks, object()), lambda: "", lambda webhook: {}, ["k"], Filter().denied)
    with pytest.raises(BadRequest, match=r"10\.0\.0\.1 is private.*KADR_EGRESS_ALLOW"):
        service.add("main", {"url": "https://10.0.0.1/hook"})


class OneHook:
    """A table with one webhook."""

    def get(self, owner: str, webhook_id: str) -> Webhook:
        return Webhook(webhook_id, owner, "https://a.example/", ("k",), "whsec_", 0)


def test_receivers_that_hang_leave_the_api_its_threads() -> None:
    asked, answered = threading.Semaphore(0), threading.Event()

    def hanging(webhook: Webhook) -> dict[str, Any]:
        asked.release()
        assert answered.wait(30)
        return {}

    service = WebhookService(cast(Webhooks, OneHook()), lambda: "", hanging, ["k"])
    app = Flask("hooks")
    app.register_blueprint(WebhookRoutes(service, "main", lambda: None).blueprint())

    def ask() -> int:
        return app.test_client().post("/v1/webhooks/w/test").status_code

    with ThreadPoolExecutor(TESTS) as pool:
        waiting = [pool.submit(ask) for _ in range(TESTS)]
        for _ in waiting:
            assert asked.acquire(timeout=30)
        refused = ask()
        answered.set()
        assert (refused, [each.result(30) for each in waiting]) == (503, [200] * TESTS)
    assert ask() == 200
