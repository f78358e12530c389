"""What the API asks of the index."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from index import queries
from index.database import Database
from index.derive import source_hash
from index.keeping import Index
from index.rebuild import rebuild
from kadr.contracts.keys import jcs
from kadr.pipeline.admission import DAY_MS, read_request
from kadr.storage import layout
from kadr.storage.files import FileStore
from tests.integration.index.bucket import FULL, OWNER, RETRIED, again


def test_a_run_is_told_with_its_components_in_their_order(store: FileStore, database: Database) -> None:
    rebuild(store, database)
    with database.connection() as connection:
        found = queries.run(connection, OWNER, RETRIED)
        assert queries.run(connection, "somebody else", RETRIED) is None
    assert found is not None
    request = read_request(store, OWNER, RETRIED)
    assert (found["status"], found["epoch"], found["created_ms"]) == ("complete", 2, request.created_ms)
    assert [c["component"] for c in found["components"]] == [n.component for n in request.graph.nodes]
    objects = next(c for c in found["components"] if c["component"] == "objects")
    assert (objects["state"], objects["tasks"], objects["models"][0]["name"]) == ("succeeded", 3, "nanodet")


def test_pages_of_an_owners_runs_follow_each_other_without_gap_or_repeat(
    store: FileStore, database: Database
) -> None:
    for number in range(11):  # three at each time: the id decides
        again(store, FULL, f"r{number:02}", created_ms=1000 + number // 3)
    again(store, FULL, "foreign", owner="other")
    rebuild(store, database)
    pages, after = [], None
    with database.connection() as connection:
        while page := queries.runs(connection, OWNER, limit=4, after=after):
            pages.append(page)
            after = (page[-1]["created_ms"], page[-1]["run_id"])
            if len(pages) == 1:
                again(store, FULL, "newer", created_ms=4_000_000_000_000)
                connection.execute("SELECT 1")
        queued = queries.runs(connection, OWNER, status="queued")
        of_mute = queries.runs(connection, OWNER, video_id=read_request(store, OWNER, FULL).video_id)
    found = [(r["created_ms"], r["run_id"]) for page in pages for r in page]
    assert len(found) == 20
    assert found == sorted(set(found), reverse=True)
    assert [r["run_id"] for r in queued] == [f"r{n:02}" for n in range(10, -1, -1)]
    assert len(of_mute) == 20 - 3


def test_an_alias_answers_within_its_days_by_the_databases_clock(
    store: FileStore, database: Database
) -> None:
    source = "https://example.org/v"
    hashed = hashlib.sha256(source.encode()).hexdigest()
    for video_id, days in (("a" * 64, 2), ("b" * 64, 5)):
        name = layout.alias(OWNER, hashed, video_id)
        store.put(name, jcs({"uri": source}))
        aged(store, name, days)
    rebuild(store, database)
    with database.connection() as connection:
        answers = [queries.alias(connection, OWNER, source, days) for days in (0, 1, 3, None)]
        assert queries.alias(connection, "other", source, None) is None
    assert answers == [None, None, "a" * 64, "a" * 64]


def aged(store: FileStore, name: str, days: int) -> None:
    with store.local(name) as path:
        then = path.stat().st_mtime_ns - days * DAY_MS * 1_000_000
        os.utime(path, ns=(then, then))


def test_the_newest_finished_run_answers_the_same_question(store: FileStore, database: Database) -> None:
    request = read_request(store, OWNER, FULL)
    prefix = layout.state_prefix(OWNER, FULL)
    (done,) = [n for n in store.list(prefix) if "/done." in n]
    aged(store, done, 4)
    again(store, FULL, "open")
    rebuild(store, database)
    question = (OWNER, request.source, request.config_hash)
    with database.connection() as connection:
        assert queries.finished(connection, *question, 3) is None
        assert queries.finished(connection, *question, 0) is None
        found = queries.finished(connection, *question, 5)
        assert queries.finished(connection, OWNER, request.source, "0" * 64, None) is None
    assert found is not None
    assert (found["run_id"], found["status"]) == (FULL, "complete")


def test_the_index_names_the_complete_run_that_is_there(store: FileStore, database: Database) -> None:
    """By the database's clock, and none while the database is away."""
    request = read_request(store, OWNER, FULL)
    rebuild(store, database)
    index = Index(store, database)
    question = (OWNER, request.source, request.config_hash)
    assert index.finished(*question, None) == FULL
    assert index.finished(*question, 0) is None
    with database.connection() as connection:
        days = "UPDATE runs SET finished_at = now() - interval '71 hours' WHERE run_id = %s"
        connection.execute(days, (FULL,))
        assert (index.finished(*question, 2), index.finished(*question, 3)) == (None, FULL)
        connection.execute("UPDATE runs SET status = 'partial' WHERE run_id = %s", (FULL,))
        assert index.finished(*question, 3) is None
        connection.execute("UPDATE runs SET status = 'complete' WHERE run_id = %s", (FULL,))
    (manifest,) = store.list(layout.run_prefix(OWNER, FULL) + "manifests/")
    store.delete(manifest)
    assert index.finished(*question, 3) is None
    away = Database("postgresql://nobody@127.0.0.1:1/none", patience_s=0.2)
    with away:
        assert Index(store, away).finished(*question, 3) is None


def test_a_video_and_where_a_result_is_used(store: FileStore, database: Database) -> None:
    rebuild(store, database)
    request = read_request(store, OWNER, FULL)
    with database.connection() as connection:
        video = queries.video(connection, OWNER, request.video_id or "")
        assert queries.video(connection, OWNER, "0" * 64) is None
        query = "SELECT digest FROM artifacts WHERE run_id = %s AND task = 'probe' AND name = 'plan'"
        found = connection.execute(query, (FULL,)).fetchone()
        assert found is not None
        used = queries.with_result(connection, OWNER, found[0])
    assert video is not None
    assert (video["kind"], video["uri"], video["runs"]) == ("reference", request.source, 6)
    assert {(u["task"], u["name"]) for u in used} == {("probe", "plan")}
    assert FULL in {u["run_id"] for u in used}


PLANS = {
    "runs_by_time": "SELECT * FROM runs WHERE owner = 'local' ORDER BY created_at DESC, run_id DESC LIMIT 5",
    "runs_by_status": "SELECT * FROM runs WHERE owner = 'local' AND status = 's' ORDER BY created_at DESC, run_id DESC LIMIT 5",
    "runs_by_video": "SELECT * FROM runs WHERE owner = 'local' AND video_id = 'v' ORDER BY created_at DESC, run_id DESC LIMIT 5",
    "runs_by_question": "SELECT * FROM runs WHERE owner = 'local' AND source_hash = 's' AND config_hash = 'c' AND closed"
    " ORDER BY finished_at DESC LIMIT 1",
    "artifacts_by_digest": "SELECT * FROM artifacts WHERE owner = 'local' AND digest = 'd'",
    "webhooks_once": "SELECT * FROM webhooks WHERE owner = 'local' AND enabled",
}


def test_what_is_asked_often_is_answered_by_an_index_without_sorting(
    store: FileStore, database: Database
) -> None:
    rebuild(store, database)
    with database.connection() as connection, connection.transaction():
        connection.execute("ANALYZE; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        for name, query in PLANS.items():
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {query}".encode()))
            assert name in plan
            assert "Sort" not in plan


def test_the_hash_of_a_source_is_the_one_that_its_alias_has(store: FileStore) -> None:
    source = read_request(store, OWNER, FULL).source
    assert list(store.list(layout.alias_prefix(OWNER, source_hash(source))))
    assert source_hash(Path("/tmp/x y").as_uri()) == hashlib.sha256(b"file:///tmp/x%20y").hexdigest()
