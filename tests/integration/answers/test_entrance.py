"""Signed events at the entrance: what is proven is taken once, what is not changes nothing, and nothing is ever our failure."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from cli.compose import Machine
from events.admission import Admission
from events.answers import signing
from events.answers.outbox import Outbox
from events.answers.rejections import Rejections
from events.inbox import Inbox
from events.ingest import Ingest
from kadr.contracts.profile import Profile
from kadr.storage import layout
from kadr.storage.files import FileStore
from tests.integration.answers.conftest import Desk

pytestmark = pytest.mark.xdist_group("answers")

KEY = signing.key_of(signing.new_secret())
TOKEN = "the-token"
SOURCE = {"type": "https", "url": "https://v.example/a.mp4"}
ASKED: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/cms",
    "type": "dev.kadr.run.requested.v1",
    "data": {"user_id": "anna", "video_source": SOURCE},
}
Send = Callable[..., TestResponse]


class _NoLine:
    def ready_all(self, messages: list[Any]) -> list[bool]:
        return [True] * len(messages)

    rearm_all = ready_all

    def unknown(self, messages: list[Any]) -> list[Any]:
        return messages


def entrance(store: FileStore) -> FlaskClient:
    machine = Machine()
    default = Profile(components=("loudness",))
    admission = Admission(store, machine.question, default)
    ingest = Ingest(
        store,
        cast(Inbox, None),  # events go by it
        admission,
        lambda names: None,
        TOKEN,
        lambda: (KEY,),
        Rejections(Outbox(store, _NoLine())),
    )
    app = Flask("entrance")
    app.register_blueprint(ingest.blueprint())
    return app.test_client()


def send(
    client: FlaskClient,
    body: bytes,
    key: bytes = KEY,
    at_s: float | None = None,
    more: dict[str, str] | None = None,
) -> TestResponse:
    signed = signing.headers([key], "hook-1", body, int(at_s or time.time()))
    plain = {"Content-Type": "application/cloudevents+json", **signed, **(more or {})}
    return client.post("/events", data=body, headers=plain)


def objects(store: FileStore) -> list[str]:
    return list(store.list(""))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[FileStore, FlaskClient]:
    store = FileStore(tmp_path_factory.mktemp("entrance") / "store")
    return store, entrance(store)


def test_a_signed_event_is_taken_and_a_replay_of_it_does_nothing_more(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    client, body = entrance(store), json.dumps(ASKED).encode()
    first = send(client, body)
    assert first.status_code == 202
    after = objects(store)
    broken = {**ASKED, "data": {**ASKED["data"], "video_source": 7, "callback_url": "https://c.example/"}}
    assert send(client, json.dumps(broken).encode()).status_code == 202
    assert not list(store.list(layout.ALL_OWED))  # of a run that there is, nobody is told that it was refused
    after = objects(store)
    assert [n for n in after if n.endswith("/request.json")]
    for _ in range(3):
        again = send(client, body)
        assert (again.status_code, again.json) == (202, first.json)
    assert objects(store) == after


@pytest.mark.parametrize("aside_s", [-301, 400])
def test_a_stale_event_is_refused(place: tuple[FileStore, FlaskClient], aside_s: int) -> None:
    store, client = place
    before = objects(store)
    answer = send(client, json.dumps(ASKED).encode(), at_s=time.time() + aside_s)
    assert answer.status_code == 401
    assert "300 s" in str(answer.json)
    assert objects(store) == before


def test_a_wrong_key_and_a_signed_binary_event_are_refused_and_a_token_still_does(tmp_path: Path) -> None:
    """What is signed is the body: attributes in headers could be anybody's."""
    store = FileStore(tmp_path / "store")
    client, body = entrance(store), json.dumps(ASKED).encode()
    assert send(client, body, key=b"x" * 32).status_code == 401
    for headers in ({"ce-id": "other"}, {"Content-Type": "application/json", "ce-specversion": "1.0"}):
        assert send(client, body, more=headers).status_code == 415
    assert objects(store) == []
    unsigned = {"Content-Type": "application/cloudevents+json"}
    assert client.post("/events", data=body, headers=unsigned).status_code == 401
    known = {**unsigned, "Authorization": f"Bearer {TOKEN}"}
    assert client.post("/events", data=body, headers=known).status_code == 202


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_tampered_event_is_refused_and_changes_nothing(
    place: tuple[FileStore, FlaskClient], data: st.DataObject
) -> None:
    store, client = place
    body = json.dumps(ASKED).encode()
    before = objects(store)
    at = data.draw(st.integers(0, len(body) - 1))
    changed = body[:at] + bytes([body[at] ^ (1 << data.draw(st.integers(0, 7)))]) + body[at + 1 :]
    signed = signing.headers([KEY], "hook-1", body)
    answer = client.post(
        "/events", data=changed, headers={"Content-Type": "application/cloudevents+json", **signed}
    )
    assert answer.status_code == 401
    assert objects(store) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda c: (
        st.lists(c, max_size=3) | st.dictionaries(st.sampled_from([*ASKED, "url", "key"]), c, max_size=5)
    ),
    max_leaves=10,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "user_id": st.just("anna") | JSON,
        "video_source": st.just(SOURCE) | JSON,
        "profile_config": st.sampled_from(["fast", "none", {}]) | JSON,
        "callback_url": st.sampled_from(["https://c.example/x", "https://[::1/", "http://x/"]) | JSON,
        "priority": JSON,
        "meta": JSON,
    },
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60) | JSON.map(lambda j: json.dumps(j).encode()) | st.builds(
    lambda data, more: json.dumps({**ASKED, **more, "data": data}).encode(),
    FIELDS | JSON,
    st.dictionaries(st.sampled_from(["id", "source", "type", "time", "dataschema", "x"]), JSON, max_size=2),
))  # fmt: skip
def test_no_signed_event_however_malformed_is_our_failure(
    place: tuple[FileStore, FlaskClient], body: bytes
) -> None:
    store, client = place
    first = send(client, body)
    assert first.status_code < 500
    after = objects(store)
    assert send(client, body).status_code == first.status_code
    assert objects(store) == after


def test_who_asked_for_what_is_refused_is_told_so_by_the_callback(desk: Desk) -> None:
    client = entrance(desk.store)
    told: dict[str, Any] = {"user_id": "anna", "callback_url": f"{desk.to.url}/hook"}
    bodies = [
        {**told, "video_source": {"type": "ftp"}},
        {**told, "video_source": SOURCE, "profile_config": "none"},
    ]
    for number, data in enumerate(bodies):
        body = json.dumps({**ASKED, "id": f"r-{number}", "data": data}).encode()
        for _ in range(2):
            assert send(client, body).status_code in (202, 422)
    assert desk.outbox.sweep() == 2
    desk.deliverer()
    events = sorted((g.event for g in desk.to.until("/hook", 2)), key=lambda e: str(e["data"]["event"]["id"]))
    assert [e["data"]["event"] for e in events] == [{"source": "/cms", "id": f"r-{n}"} for n in (0, 1)]
    assert {e["data"]["status"] for e in events} == {"rejected"}
    assert [e["data"]["error"]["code"] for e in events] == ["InvalidEvent", "InvalidProfile"]
    run_id = events[0]["data"]["run_id"]
    desk.until(lambda: any(desk.store.list(layout.answers_prefix("anna", run_id))))
    send(client, json.dumps({**ASKED, "id": "r-0", "data": bodies[0]}).encode())
    time.sleep(0.2)
    assert len(desk.to.got) == 2
