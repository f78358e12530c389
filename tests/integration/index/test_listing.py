"""`GET /v1/runs`: who dropped a file finds its run, page by page, and is told where there is no database."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.listing import Listing
from index.database import Database
from index.rebuild import rebuild
from kadr.storage.files import FileStore
from tests.integration.index.bucket import FULL, OWNER, again

DROPPED = "kadr:///inbox/local/a%20talk.mp4?etag=e"


def client(database: Database | None) -> FlaskClient:
    app = Flask("listing")
    app.register_blueprint(Listing(database, OWNER, lambda: None).blueprint())
    return app.test_client()


def asked(client: FlaskClient, **query: Any) -> tuple[int, dict[str, Any]]:
    answer = client.get("/v1/runs", query_string=query)
    return answer.status_code, answer.get_json(force=True)


def test_pages_and_filters(store: FileStore, database: Database) -> None:
    for number in range(5):
        again(store, FULL, f"r{number}", created_ms=1000 + number // 2, source=DROPPED)
    again(store, FULL, "foreign", owner="other")
    rebuild(store, database)
    ask, pages = client(database), list[str]()
    cursor = dict[str, str]()
    while True:
        status, page = asked(ask, limit=4, **cursor)
        pages += [run["run_id"] for run in page["runs"]]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert (status, len(pages), len(set(pages))) == (200, 14, 14)
    assert pages[-5:] == ["r4", "r3", "r2", "r1", "r0"]
    for source in (DROPPED, "inbox/local/a talk.mp4"):
        found = asked(ask, source=source)[1]["runs"]
        assert [run["run_id"] for run in found] == pages[-5:]
    assert (found[0]["status"], found[0]["ended_ms"], found[0]["url"]) == ("queued", None, "/v1/runs/r4")
    complete = asked(ask, status="complete")[1]["runs"]
    assert complete
    assert all(run["status"] == "complete" and run["ended_ms"] > 0 for run in complete)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"limit": 101, "status": "done"}, ("limit", "status", "partial")),
        ({"limit": 0}, ("1 to 100",)),
        ({"cursor": "x"}, ("cursor",)),
        ({"state": "queued"}, ("'state'", "status")),
    ],
)
def test_what_cannot_be_meant_is_refused(query: dict[str, Any], words: tuple[str, ...]) -> None:
    status, said = asked(client(None), **query)
    assert status == 422
    assert all(word in said["detail"] for word in words)


def test_without_a_database_nothing_is_listed() -> None:
    status, said = asked(client(None))
    assert (status, "KADR_DATABASE_URL" in said["detail"]) == (503, True)
    with Database("postgresql://127.0.0.1:1/kadr", patience_s=0.2) as away:
        status, said = asked(client(away))
    assert (status, said["title"], said["retryable"]) == (503, "DatabaseAway", True)
