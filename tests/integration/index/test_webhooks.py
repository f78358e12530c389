"""Webhooks: their table in PostgreSQL, and the routes by which an owner keeps them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from api.app import Unauthorized
from api.webhooks import MOST, WebhookRoutes, WebhookService
from events.answers.signing import key_of, new_secret
from events.answers.targets import KINDS, NotTold, Target, Targets
from index.database import Database
from index.migrations import migrate
from index.webhooks import Webhooks

URL = "https://hooks.example/T0?token=hidden"
Ask = Callable[..., TestResponse]


@pytest.fixture
def table(database: Database) -> Webhooks:
    return Webhooks(database)


@pytest.fixture
def ask(table: Webhooks) -> Ask:
    return client(table)


def client(table: Webhooks | None, owner: str = "anna", stranger: bool = False) -> Ask:
    def check() -> None:
        if stranger:
            raise Unauthorized

    service = WebhookService(
        table, new_secret, lambda webhook: {"delivered": True, "id": webhook.id}, sorted(KINDS)
    )
    app = Flask("routes")
    app.register_blueprint(WebhookRoutes(service, owner, check).blueprint())
    return app.test_client().open


def said(answer: TestResponse) -> dict[str, Any]:
    found: dict[str, Any] = answer.json or {}
    return found


def test_the_secret_is_shown_when_it_is_made_and_never_again(ask: Ask) -> None:
    made = ask("/v1/webhooks", method="POST", json={"url": URL})
    assert made.status_code == 201
    secret = said(made)["secret"]
    assert len(key_of(secret)) == 32
    assert said(made)["events"] == sorted(KINDS)
    for path in ("/v1/webhooks", f"/v1/webhooks/{said(made)['id']}"):
        answer = ask(path)
        assert answer.status_code == 200
        assert secret not in answer.text
        assert URL in answer.text
    assert ask(f"/v1/webhooks/{said(made)['id']}/test", method="POST").json == {
        "delivered": True,
        "id": said(made)["id"],
    }


def test_a_new_secret_signs_beside_the_old_one_for_a_while(ask: Ask, table: Webhooks, url: str) -> None:
    made = said(ask("/v1/webhooks", method="POST", json={"url": URL}))
    turned = said(ask(f"/v1/webhooks/{made['id']}/secret", method="POST"))
    assert turned["secret"] != made["secret"]
    assert turned["previous_secret_until_ms"] > made["created_ms"]
    targets = Targets(table)
    target = Target("webhook", made["id"])
    assert targets.reached(target, "anna").keys == (key_of(turned["secret"]), key_of(made["secret"]))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE webhooks SET previous_until = now() - interval '1 second'")
    assert targets.reached(target, "anna").keys == (key_of(turned["secret"]),)


def test_who_says_410_is_disabled_until_it_is_enabled_again(ask: Ask, table: Webhooks) -> None:
    made = said(
        ask("/v1/webhooks", method="POST", json={"url": URL, "events": ["dev.kadr.run.completed.v1"]})
    )
    targets, target = Targets(table), Target("webhook", made["id"])
    targets.refresh()
    assert targets.wanting("dev.kadr.run.completed.v1", "anna") == [target]
    assert targets.wanting("dev.kadr.component.completed.v1", "anna") == []
    targets.gone(target, "anna")
    targets.refresh()
    assert targets.wanting("dev.kadr.run.completed.v1", "anna") == []
    with pytest.raises(NotTold):
        targets.reached(target, "anna")
    shown = said(ask(f"/v1/webhooks/{made['id']}"))
    assert (shown["enabled"], shown["disabled_why"]) == (False, "it answered 410 Gone")
    assert said(ask(f"/v1/webhooks/{made['id']}/enable", method="POST"))["enabled"] is True
    assert targets.reached(target, "anna").url == URL


def test_webhooks_are_their_owners_alone(ask: Ask, table: Webhooks) -> None:
    made = said(ask("/v1/webhooks", method="POST", json={"url": URL}))
    other = client(table, "bert")
    assert said(other("/v1/webhooks")) == {"webhooks": []}
    for method, path in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/test"),
        ("POST", "/secret"),
        ("POST", "/enable"),
    ]:
        assert other(f"/v1/webhooks/{made['id']}{path}", method=method).status_code == 404
        assert (
            client(table, stranger=True)(f"/v1/webhooks/{made['id']}{path}", method=method).status_code == 401
        )
    assert client(table, stranger=True)("/v1/webhooks").status_code == 401
    with pytest.raises(NotTold):
        Targets(table).reached(Target("webhook", made["id"]), "bert")
    assert ask(f"/v1/webhooks/{made['id']}", method="DELETE").status_code == 204
    assert ask(f"/v1/webhooks/{made['id']}", method="DELETE").status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"url": "http://x.example/"}, {"url": "https://"}, {"url": "https://me:pw@x.example/"}, {"url": 7}, [],
     {"url": "https://[::1/"}, {"url": URL, "events": ["other"]}, {"url": URL, "events": []}, {"url": "https://x/\n"},
     {"url": "https://x/" + "a" * 2000}, {"url": URL, "events": [["x"]]}],
)  # fmt: skip
def test_what_cannot_be_a_webhook_is_refused(body: Any) -> None:
    """Before the database is asked."""
    nowhere = Webhooks(Database("postgresql://127.0.0.1:1/none"))
    answer = client(nowhere)("/v1/webhooks", method="POST", json=body)
    assert answer.status_code == 422
    assert said(answer)["detail"]


def test_one_of_each_url_and_no_more_than_so_many(ask: Ask) -> None:
    for number in range(MOST):
        assert (
            ask("/v1/webhooks", method="POST", json={"url": f"https://x.example/{number}"}).status_code == 201
        )
    assert ask("/v1/webhooks", method="POST", json={"url": "https://x.example/0"}).status_code == 409
    assert ask("/v1/webhooks", method="POST", json={"url": URL}).status_code == 409


def test_a_name_of_no_webhook_is_not_found(ask: Ask) -> None:
    for name in ("none", "x" * 300, "00000000-0000-0000-0000-000000000000", "%00"):
        assert ask(f"/v1/webhooks/{name}").status_code == 404


def test_without_a_database_it_is_said_what_is_missing() -> None:
    answer = client(None)("/v1/webhooks")
    assert (answer.status_code, "KADR_DATABASE_URL" in said(answer)["detail"]) == (503, True)


def test_the_migration_goes_down_and_up_with_rows_on_both_sides(url: str, table: Webhooks) -> None:
    old = "INSERT INTO webhooks (owner, run_id, event, url) VALUES ('o', 'r', 'done', 'http://x') RETURNING state"
    assert table.add("anna", URL, sorted(KINDS), new_secret(), MOST)
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection, to=3)
        assert connection.execute(old).fetchone() == ("pending",)
        migrate(connection)
        assert table.list("anna") == []
        assert table.add("anna", URL, sorted(KINDS), new_secret(), MOST)
        assert [w.owner for w in table.wishes()] == ["anna"]


def test_what_is_wanted_is_read_again_only_when_it_changed_and_names_no_secret(
    ask: Ask, table: Webhooks
) -> None:
    versions = [table.version()]

    def changed() -> bool:
        versions.append(table.version())
        return versions[-1] != versions[-2]

    made = said(ask("/v1/webhooks", method="POST", json={"url": URL}))
    assert changed()
    assert made["secret"] not in repr(table.wishes())
    assert not changed()
    table.rotate("anna", made["id"], new_secret())
    assert not changed()
    table.disable("anna", made["id"], "410")
    assert changed()
    table.enable("anna", made["id"])
    assert changed()
    table.remove("anna", made["id"])
    assert changed()
    assert table.wishes() == []
