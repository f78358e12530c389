"""Drop the index and a rebuild brings it back; checking names what the two disagree about."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from index import queries
from index.check import check
from index.database import Database
from index.migrations import migrate
from index.project import project
from index.rebuild import rebuild
from index.tables import DERIVED
from kadr.contracts.keys import jcs
from kadr.storage import layout
from kadr.storage.files import FileStore
from tests.integration.index.bucket import FULL, OWNER, RETRIED, Dump, again, copy, copy_rest, steps


def index_each(store: FileStore, database: Database) -> None:
    """As the pipeline does: run after run, by their ids."""
    ids = sorted(
        {found[1] for name in store.list("state/") if (found := layout.state_of(name))}, reverse=True
    )
    with database.connection() as connection:
        for run_id in ids:
            project(store, connection, OWNER, run_id)


def test_a_dropped_index_comes_back_row_by_row(
    store: FileStore, database: Database, url: str, rows: Dump
) -> None:
    again(store, FULL, "waiting")
    index_each(store, database)
    rebuild(store, database)  # what components need stands in the catalogue, of no run
    before = rows()
    assert {name: len(found) for name, found in before.items() if name in ("runs", "videos")} == {
        "runs": 10,
        "videos": 2,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        migrate(connection)
    assert not any(rows().values())
    seen: list[tuple[str, int]] = []
    tally = rebuild(store, database, lambda what, done: seen.append((what, done)))
    assert rows() == before
    assert (tally.runs, tally.videos, tally.aliases, tally.damaged) == (10, 2, 2, [])
    assert seen[-1] == ("runs", 10)
    assert list(check(store, database)) == []


class Counting(FileStore):
    gets = 0

    def get(self, name: str) -> bytes:
        self.gets += name.startswith(("state/", "runs/"))
        return super().get(name)


def test_a_second_rebuild_reads_no_run_again(store: FileStore, database: Database, rows: Dump) -> None:
    counting = Counting(store.root)
    rebuild(counting, database)
    assert counting.gets < 9 * 5, "of a closed run only request, marks and manifest are read"
    counting.gets = 0
    before = rows()
    tally = rebuild(counting, database)
    assert (counting.gets, tally.written, tally.removed) == (0, 0, 0)
    assert rows() == before


def test_damaged_objects_are_skipped_and_told(store: FileStore, database: Database, rows: Dump) -> None:
    hashed = hashlib.sha256(b"file:///x").hexdigest()
    store.put(layout.request(OWNER, FULL), b"\0\xff")
    store.put(layout.video_reference(OWNER, "a" * 64), b"[]")
    store.put(layout.alias(OWNER, hashed, "a" * 64), b"nothing")
    store.put(layout.alias(OWNER, "no hash", "a" * 64), b"{}")
    store.put(f"state/{OWNER}/without-request/done.1.{'0' * 64}.json", b"{}")
    store.put(f"state/{OWNER}/.DS_Store", b"")
    tally = rebuild(store, database)
    assert (tally.runs, tally.skipped, len(rows()["runs"])) == (9, 4, 8)
    for part in (f"{FULL}/request.json", f"{'a' * 64}/source.ref.json", hashed, "source_hash"):
        assert any(part in told for told in tally.damaged), part
    found = {(d.what, d.table) for d in check(store, database)}
    assert found == {
        ("damaged", "runs"),
        ("damaged", "videos"),
        ("damaged", "video_aliases"),
        ("missing", "video_aliases"),
    }


def test_what_disagrees_is_named_and_a_rebuild_mends_it(
    store: FileStore, database: Database, rows: Dump
) -> None:
    rebuild(store, database)
    before = rows()
    with database.connection() as connection:
        connection.execute("UPDATE runs SET status = 'failed' WHERE run_id = %s", (FULL,))
        connection.execute("DELETE FROM artifacts WHERE run_id = %s AND task = 'probe'", (FULL,))
        connection.execute("DELETE FROM runs WHERE run_id = %s", (RETRIED,))
        connection.execute("UPDATE videos SET size_bytes = 1 WHERE video_id LIKE 'f4%'")
        connection.execute("UPDATE component_resource_requirements SET cpu = 99 WHERE component = 'ocr'")
        connection.execute(
            "INSERT INTO video_aliases VALUES ('x', repeat('1', 64), repeat('2', 64), '', now())"
        )
    told = {(d.what, d.table, d.detail) for d in check(store, database)}
    assert {
        ("stale", "runs", "status"),
        ("missing", "artifacts", ""),
        ("missing", "runs", ""),
        ("missing", "run_components", ""),
        ("stale", "videos", "size_bytes"),
        ("stale", "component_resource_requirements", "cpu"),
        ("extra", "video_aliases", ""),
    } <= told
    rebuild(store, database)
    assert {(d.what, d.table) for d in check(store, database)} == {
        ("stale", "runs"),
        ("missing", "artifacts"),
    }
    rebuild(store, database, everything=True)
    assert rows() == before


def test_a_bucket_that_lost_objects_is_believed(store: FileStore, database: Database, rows: Dump) -> None:
    rebuild(store, database)
    prefix = layout.state_prefix(OWNER, RETRIED)
    for name in list(store.list(prefix)):
        if name.startswith((prefix + "2/", prefix + "retry", prefix + "done.2")):
            store.delete(name)
    rebuild(store, database)
    assert [(r["epoch"], r["status"]) for r in rows()["runs"] if r["run_id"] == RETRIED] == [(1, "partial")]
    assert list(check(store, database)) == []


def test_owners_are_told_apart(store: FileStore, database: Database, rows: Dump) -> None:
    owners = ["ann", "ann-2", "bob", "o'x"]
    for owner in owners:
        for name in ("a", "a-b", "a.b"):
            again(store, FULL, name, owner=owner)
        store.put(layout.video_source(owner, "c" * 64), b"bytes")
        store.put(layout.alias(owner, "d" * 64, "c" * 64), jcs({"uri": "https://x/y"}))
    rebuild(store, database)
    found = rows()
    assert [(r["owner"], r["run_id"]) for r in found["runs"] if r["owner"] != OWNER] == [
        (owner, name) for owner in owners for name in ("a", "a-b", "a.b")
    ]
    videos = [(v["owner"], v["kind"], v["size_bytes"]) for v in found["videos"] if v["kind"] == "stored"]
    assert videos == [(owner, "stored", 5) for owner in owners]
    assert [a["owner"] for a in found["video_aliases"] if a["uri"] == "https://x/y"] == owners
    assert all(found[table.name] for table in DERIVED)


def test_a_rebuild_beside_running_work_takes_nothing_back(
    store: FileStore, database: Database, tmp_path: Path, rows: Dump
) -> None:
    growing = FileStore(tmp_path / "growing")
    copy_rest(store, growing, RETRIED)
    epochs = []

    def work() -> None:
        for name in steps(store, RETRIED):
            copy(store, growing, name)
            with database.connection() as connection:
                project(growing, connection, OWNER, RETRIED)
                found = queries.run(connection, OWNER, RETRIED)
                assert found is not None
                epochs.append((found["epoch"], found["closed"]))

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        while not working.done():
            assert rebuild(growing, database, everything=True).damaged == []
        working.result()
    assert epochs == sorted(epochs)
    assert epochs[-1] == (2, True)
    rebuild(growing, database)
    assert list(check(growing, database)) == []
    assert len(rows()["runs"]) == 1
