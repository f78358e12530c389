"""One run's objects become its rows, whatever their order, whoever writes them, and whatever stands in names."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from index import derive, queries
from index.database import Database
from index.project import project, write_run
from index.rebuild import rebuild
from kadr.contracts.errors import InvalidObject
from kadr.contracts.keys import jcs
from kadr.contracts.run import Cancelled
from kadr.pipeline.admission import read_request
from kadr.pipeline.closing import ByLock, close
from kadr.storage import layout
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore
from tests.integration.index.bucket import FULL, OWNER, RETRIED, Dump, again, copy, copy_rest, steps


@pytest.fixture
def growing(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "growing")


def test_a_run_that_goes_on_ends_with_the_rows_of_a_rebuild(
    store: FileStore, growing: FileStore, database: Database, rows: Dump
) -> None:
    copy_rest(store, growing, RETRIED)
    statuses = []
    with database.connection() as connection:
        known = None
        for name in steps(store, RETRIED):
            copy(store, growing, name)
            done = project(growing, connection, OWNER, RETRIED, known)
            known = done.objects
            found = queries.run(connection, OWNER, RETRIED)
            assert found is not None
            statuses.append((found["epoch"], found["status"]))
    assert list(dict.fromkeys(statuses)) == [
        (1, "queued"),
        (1, "running"),
        (1, "partial"),
        (2, "running"),
        (2, "complete"),
    ]
    recorded = rows()
    assert rebuild(growing, database, everything=True).damaged == []
    assert {**rows(), "component_resource_requirements": []} == recorded


def test_a_state_that_comes_late_overwrites_no_later_one(
    store: FileStore, growing: FileStore, database: Database, rows: Dump
) -> None:
    copy_rest(store, growing, RETRIED)
    derived = []
    for name in steps(store, RETRIED):
        copy(store, growing, name)
        derived.append(derive.run(growing, OWNER, RETRIED))
    with database.connection() as connection:
        assert write_run(connection, derived[-1])
        last = rows()
        shuffled = random.Random(5).sample(derived[:-1], len(derived) - 1)
        assert not any(write_run(connection, late) for late in shuffled)
        assert rows() == last
        assert write_run(connection, derived[-1])
        assert rows() == last


def test_one_run_projected_by_many_threads_at_once_is_whole(
    store: FileStore, growing: FileStore, url: str, rows: Dump
) -> None:
    copy_rest(store, growing, RETRIED)
    names = steps(store, RETRIED)
    copy(store, growing, names[0])
    again(growing, RETRIED, "sibling", profile_name="another name", created_ms=1)

    def work(number: int) -> None:
        for name in names[number::4]:
            copy(store, growing, name)
            for run_id in (RETRIED, "sibling"):
                database.run(lambda connection, r=run_id: project(growing, connection, OWNER, r))  # type: ignore[misc]

    with Database(url) as database, ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
        found = rows()
        rebuild(growing, database, everything=True)
        assert {**rows(), "component_resource_requirements": []} == found
    assert [(r["run_id"], r["status"]) for r in found["runs"]] == [
        (RETRIED, "complete"),
        ("sibling", "queued"),
    ]
    assert [p["name"] for p in found["analysis_profiles"]] == ["standard (only objects, quality)"]


HOSTILE = "a'; DROP TABLE runs; --\"\\ %s {x} \0\u202e\U0001f600 \u0442\ufffe " + "й" * 4000


def test_hostile_names_are_kept_as_text(store: FileStore, database: Database, rows: Dump) -> None:
    source = "file:///" + "%FF'\";" * 2000
    again(
        store,
        FULL,
        "hostile",
        source=source,
        source_name=HOSTILE,
        profile_name=HOSTILE,
        owner="o'x",
        meta={HOSTILE: HOSTILE},
    )
    params = {"vocabulary": HOSTILE, "nested": [{HOSTILE: [HOSTILE, 1.5, None, 2**53 - 1]}]}
    profile = {"components": {HOSTILE: {"params": params, "frames": None, "models": {HOSTILE: HOSTILE}}}}
    again(store, FULL, "odd", profile=profile, config_hash="0" * 64, models={HOSTILE: {"version": "x"}})
    shown = HOSTILE.replace("\0", "\ufffd")
    tally = rebuild(store, database)
    assert tally.damaged
    assert "odd" not in [r["run_id"] for r in rows()["runs"]]  # a version that is no number
    again(store, FULL, "odd2", profile=profile, config_hash="0" * 64, models={HOSTILE: {"version": 1}})
    with database.connection() as connection:
        project(store, connection, OWNER, "odd2")
        found = queries.run(connection, "o'x", "hostile")
        assert found is not None
        assert (found["source"], found["source_name"], found["profile_name"]) == (source, shown, shown)
        assert found["meta"] == {shown: shown}
        assert queries.finished(connection, "o'x", source, found["config_hash"], None) is None
    (kept,) = [c for c in rows()["profile_components"] if c["config_hash"] == "0" * 64]
    assert kept["component"] == shown
    assert kept["params"] == {"vocabulary": shown, "nested": [{shown: [shown, 1.5, None, 2**53 - 1]}]}


def test_names_that_are_not_utf_8_are_shown_with_a_mark() -> None:
    assert derive.clean("caf\udce9\0") == "caf\ufffd\ufffd"
    assert len(derive.source_hash("file:///caf\udce9")) == 64


def test_a_damaged_request_changes_nothing(store: FileStore, database: Database, rows: Dump) -> None:
    rebuild(store, database)
    before = rows()
    store.put(layout.request(OWNER, FULL), b"{")
    with database.connection() as connection, pytest.raises(InvalidObject, match=f"{FULL}/request.json"):
        project(store, connection, OWNER, FULL)
    store.put(layout.request(OWNER, FULL), store.get(layout.request(OWNER, RETRIED)))
    with database.connection() as connection, pytest.raises(InvalidObject, match="is of another run"):
        project(store, connection, OWNER, FULL)
    assert rows() == before


def test_a_lost_manifest_is_compiled_from_its_records(
    store: FileStore, database: Database, rows: Dump
) -> None:
    rebuild(store, database)
    before = rows()
    for name in list(store.list(layout.run_prefix(OWNER, FULL) + "manifests/")):
        store.delete(name)
    derived = derive.run(store, OWNER, FULL)
    assert derived.run == next(r for r in before["runs"] if r["run_id"] == FULL)


def test_a_run_that_is_removed_leaves_the_index(store: FileStore, database: Database, rows: Dump) -> None:
    rebuild(store, database)
    for name in list(store.list(layout.state_prefix(OWNER, FULL))):
        store.delete(name)
    with database.connection() as connection:
        assert project(store, connection, OWNER, FULL).written
        assert queries.run(connection, OWNER, FULL) is None
        connection.execute(
            "INSERT INTO webhooks (owner, url, events, secret) VALUES (%s, 'https://x/', '{done}', 'whsec_x')",
            (OWNER,),
        )
    for table in ("run_components", "artifacts"):
        assert FULL not in {row["run_id"] for row in rows()[table]}
    gone = rows()
    rebuild(store, database, everything=True)
    assert rows() == gone
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM webhooks").fetchone() == (1,)


def test_a_cancelled_run_is_told_as_such(store: FileStore, database: Database, tmp_path: Path) -> None:
    again(store, RETRIED, "stopped")
    name = layout.state_prefix(OWNER, "stopped") + layout.cancelled(1)
    store.put(name, jcs(Cancelled(reason="enough").model_dump(mode="json")))
    with database.connection() as connection:
        for closed in (False, True):
            if closed:
                close(
                    store, ByLock(FileClaims(tmp_path / "claims")), read_request(store, OWNER, "stopped"), 1
                )
            project(store, connection, OWNER, "stopped")
            found = queries.run(connection, OWNER, "stopped")
            assert found is not None
            assert (found["status"], found["closed"]) == ("cancelled", closed)
            assert {c["state"] for c in found["components"]} == {"blocked"}


def test_a_wrong_number_in_the_database_is_refused_there(database: Database) -> None:
    with database.connection() as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO videos VALUES ('o', 'no digest', 'stored', null, 1, now())")
