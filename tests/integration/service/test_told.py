"""Answers of the whole service: callback, sink and webhook are told, signed, of one run that a signed event asked for."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from events.answers import signing
from tests.integration.service.conftest import Up
from tests.integration.service.test_seen import here, kadr, lines, metrics, said, values

RUN, COMPONENT = "dev.kadr.run.completed.v1", "dev.kadr.component.completed.v1"


def ask(up: Up, number: str, **data: Any) -> Any:
    """What a signed event is answered, twice the same."""
    event = {"specversion": "1.0", "id": number, "source": "/told", "type": "dev.kadr.run.requested.v1"}
    body = json.dumps({**event, "data": {"user_id": "main", **data}}).encode()
    key = signing.key_of(up.named["KADR_EVENTS_SECRET"])
    signed = {"Content-Type": "application/cloudevents+json", **signing.headers([key], number, body)}
    first, again = (up.ask("POST", "/events", body, signed, key="none") for _ in range(2))
    assert first == again
    assert up.ask("POST", "/events", body + b" ", signed, key="none")[0] == 401
    return first


@pytest.fixture(scope="module")
def webhook(up: Up) -> dict[str, Any]:
    status, made = up.ask("POST", "/v1/webhooks", {"url": f"{up.to.url}/webhook", "events": [RUN]})
    assert status == 201, made
    status, tested = up.ask("POST", f"/v1/webhooks/{made['id']}/test")
    assert (status, tested["delivered"], tested["status"]) == (200, True, 204)
    time.sleep(4)  # the control process looks every three seconds
    found: dict[str, Any] = made
    return found


def test_one_run_is_told_to_all_who_want_to_know(up: Up, webhook: dict[str, Any], clip: Path) -> None:
    body = clip.read_bytes()
    key = "inbox/main/.uploads/told/told.mp4"
    up.minio().put_object("kadr", key, io.BytesIO(body), len(body))
    status, answer = ask(
        up,
        "told-1",
        video_source={"type": "upload", "key": key},
        callback_url=f"{up.to.url}/callback?token=hidden",
        meta={"order": 7},
    )
    assert status == 202
    run_id = answer["run_id"]
    callback, hooked = up.to.until("/callback?token=hidden")[0], up.to.until("/webhook", 2)[1]
    ended = up.ended(run_id)

    data = callback.event["data"]
    assert (data["run_id"], data["status"], data["meta"]) == (run_id, "complete", {"order": 7})
    assert data["manifest"] == ended["manifest"]
    assert up.ask("GET", data["links"]["manifest"].removeprefix(up.url))[0] == 200
    assert up.ask("GET", data["links"]["report"].removeprefix(up.url))[0] == 200
    signing.check([signing.key_of(up.kept["callback_secret"])], callback.headers, callback.body)
    signing.check([signing.key_of(webhook["secret"])], hooked.headers, hooked.body)

    deadline = time.monotonic() + 30
    while (
        len(sunk := [g for g in up.to.of("/sink") if g.event["data"]["run_id"] == run_id])
        < len(ended["components"]) + 1
    ):
        assert time.monotonic() < deadline, [g.event for g in sunk]
        time.sleep(0.05)
    for secret in up.named["KADR_SINK_SECRET"].split():
        signing.check([signing.key_of(secret)], sunk[0].headers, sunk[0].body)
    told = {g.event["data"]["component"]: g.event for g in sunk if g.event["type"] == COMPONENT}
    assert {name: e["data"]["state"] for name, e in told.items()} == {
        name: c["state"] for name, c in ended["components"].items()
    }
    assert {e["id"] for e in (callback.event, hooked.event)} == {
        g.event["id"] for g in sunk if g.event["type"] == RUN
    }
    assert all(run_id.replace("-", "") in g.headers["traceparent"] for g in sunk)
    assert len(up.to.of("/callback?token=hidden")) == 1


def test_a_webhook_that_says_gone_is_told_no_more(up: Up, webhook: dict[str, Any]) -> None:
    _, made = up.ask("POST", "/v1/webhooks", {"url": f"{up.to.url}/gone", "events": [RUN]})
    up.to.say(410)
    assert up.ask("POST", f"/v1/webhooks/{made['id']}/test")[1]["outcome"] == "gone"
    assert up.ask("DELETE", f"/v1/webhooks/{made['id']}")[0] == 204
    assert up.ask("DELETE", f"/v1/webhooks/{webhook['id']}")[0] == 204
    assert up.ask("GET", "/v1/webhooks")[1] == {"webhooks": []}


def test_what_cannot_be_told_is_a_dead_letter_with_the_reason(up: Up) -> None:
    """A request that is refused, whose callback leads to where nothing may go."""
    url = "https://169.254.169.254/latest?token=hidden"
    status, answer = ask(up, "told-2", video_source=None, callback_url=url)
    assert (status, "video_source" in answer["rejected"]) == (202, True)
    deadline = time.monotonic() + 30
    while not (letters := said(up, "dlq", "list", "answers")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert letters[0]["code"] == "EgressDenied"
    assert "169.254.169.254 is link-local" in letters[0]["message"]
    assert "1 dead letter dropped" in kadr(up, "dlq", "drop", letters[0]["id"])


def test_deliveries_are_counted_and_logged_without_what_is_the_receivers_alone(up: Up) -> None:
    counted = values(metrics(here(up)["control"]))
    for target in ("callback", "sink", "webhook"):
        assert counted["kadr_answer_seconds_count", "delivered", target] >= 1
    assert counted["kadr_answer_seconds_count", "denied", "callback"] == 1
    delivered = [n for n in lines(up) if n["logger"] == "kadr.answers" and n.get("outcome") == "delivered"]
    assert delivered
    assert all(line["trace_id"] and line["run_id"] and line["owner"] for line in delivered)
    logs = json.dumps(lines(up))
    assert "token=hidden" not in logs
    assert "whsec_" not in logs
