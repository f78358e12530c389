"""The database goes away and comes back: the pipeline goes on, and the index catches up."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest

from cli.servers.postgres import Postgres
from cli.servers.process import ServerFailed
from index import queries
from index.database import Database, DatabaseAway, IndexRefused, InvalidDatabase
from index.keeping import Index
from index.rebuild import rebuild
from kadr.contracts.errors import StoreFailure
from kadr.storage import layout
from kadr.storage.files import FileStore
from kadr.storage.remembering import Remembering
from tests.integration.index.bucket import FULL, OWNER, RETRIED, again, copy, copy_rest, dump, steps


@pytest.fixture
def away(url: str) -> Iterator[Database]:
    with Database(url, patience_s=0.3, pause_s=0.3) as database:
        yield database


def test_records_go_on_without_the_database_and_are_caught_up_with(
    postgres: Postgres, away: Database, store: FileStore, tmp_path: Path, url: str
) -> None:
    growing = FileStore(tmp_path / "growing")
    copy_rest(store, growing, RETRIED)
    names = steps(store, RETRIED)
    index = Index(growing, away)
    stopped, back = 5, len(names) - 5
    for i, name in enumerate(names):
        copy(store, growing, name)
        if i == stopped:
            postgres.stop()
        if i == back:
            postgres.start()
            time.sleep(0.3)
        began = time.monotonic()
        recorded = index.record(OWNER, RETRIED)
        assert recorded == (not stopped <= i < back), name
        assert time.monotonic() - began < 3
        if i == back - 1:
            assert (index.behind, index.catch_up()) == (1, 0)
    assert index.behind == 0
    caught_up = dump(url)
    rebuild(growing, away, everything=True)
    assert {**dump(url), "component_resource_requirements": []} == caught_up


def test_a_database_that_is_away_costs_little(postgres: Postgres, away: Database, store: FileStore) -> None:
    index = Index(store, away, remembered=3)
    postgres.stop(signal.SIGKILL)
    try:
        with pytest.raises(DatabaseAway, match="does not answer") as refused:
            away.run(lambda connection: connection.execute("SELECT 1"))
        assert (refused.value.retryable, refused.value.status) == (True, 503)
        began = time.monotonic()
        for number in range(40):
            assert not index.record(OWNER, f"run{number}")
        assert time.monotonic() - began < 3.5, "after three failures nobody waits"
        assert (index.behind, index.missed) == (3, True)
        assert not index.record_video(OWNER, "a" * 64)
    finally:
        postgres.start()
    time.sleep(0.4)
    assert index.catch_up() > 9
    assert (index.behind, index.missed) == (0, False)
    with away.connection() as connection:
        assert len(queries.runs(connection, OWNER)) == 9


def test_a_thread_keeps_up_with_what_came_before_it_started(away: Database, store: FileStore) -> None:
    again(store, FULL, "before")
    stop = threading.Event()
    thread = threading.Thread(target=Index(store, away).keep_up, args=(stop, 0.05))
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with away.connection() as connection:
                if queries.run(connection, OWNER, "before") is not None:
                    break
            time.sleep(0.05)
        else:
            pytest.fail("the run was not caught up with")
    finally:
        stop.set()
        thread.join()


class Flaky(FileStore):
    failing = False

    def get(self, name: str) -> bytes:
        if self.failing:
            raise StoreFailure("the store is slow today")
        return super().get(name)


def test_a_store_that_fails_is_remembered_and_a_damaged_run_is_not(away: Database, store: FileStore) -> None:
    flaky = Flaky(store.root)
    index = Index(flaky, away)
    flaky.failing = True
    assert not index.record(OWNER, FULL)
    flaky.failing = False
    assert (index.behind, index.catch_up(), index.behind) == (1, 1, 0)
    store.put(layout.request(OWNER, FULL), b"{")
    assert index.record(OWNER, FULL)
    assert index.behind == 0


def test_a_database_without_the_schema_is_away_and_says_what_to_do(empty_url: str, store: FileStore) -> None:
    with Database(empty_url) as database:
        assert not Index(store, database).record(OWNER, FULL)
        with pytest.raises(DatabaseAway, match="run `kadr index migrate`"):
            rebuild(store, database)


def enter(url: str, way: Callable[[Database], AbstractContextManager[object]]) -> None:
    with Database(url, patience_s=0.2) as database, way(database):
        pass


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kadr:hunter2@127.0.0.1:1/kadr",
        "postgresql://kadr:hunter2@127.0.0.1:1/kadr?nonsense=hunter2",
        "postgresql//kadr:hunter2@nowhere",
        "host=127.0.0.1 port=1 password=hunter2 dbname=kadr",
    ],
)
def test_no_error_shows_the_password(url: str, caplog: pytest.LogCaptureFixture) -> None:
    said = []
    for way in (Database.connection, Database.directly):
        with pytest.raises((DatabaseAway, InvalidDatabase)) as refused:
            enter(url, way)
        said.append(str(refused.value))
    assert "hunter2" not in " ".join(said) + caplog.text


STARTER = """
import os, sys
from pathlib import Path
from cli.servers import process
from cli.servers.postgres import Postgres
process.leashed = list  # as on a system that cannot end a child with its parent
Postgres(Path(sys.argv[1])).start()
os._exit(0)
"""


def test_the_server_ends_one_that_nobody_owns_and_refuses_to_share(postgres: Postgres, url: str) -> None:
    with pytest.raises(ServerFailed, match="another Kadr runs PostgreSQL"):
        Postgres(postgres.folder).start()
    postgres.stop()
    try:  # a starter that is killed leaves a server behind
        subprocess.run([sys.executable, "-c", STARTER, str(postgres.folder)], check=True, timeout=60)
        with psycopg.connect(url) as connection:
            orphan = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
    finally:
        postgres.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT pg_postmaster_start_time()").fetchone() != orphan
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_what_met_another_transaction_is_done_again(away: Database, url: str) -> None:
    tries: list[int] = []

    def work(connection: psycopg.Connection) -> None:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT count(*) FROM webhooks")
            if not tries:
                with psycopg.connect(url) as other:
                    other.execute("UPDATE webhooks SET events = array_append(events, 'other')")
            tries.append(1)
            connection.execute("UPDATE webhooks SET events = array_append(events, 'own')")

    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO webhooks (owner, url, events, secret) VALUES ('o', 'https://x/', '{done}', 'whsec_x')"
        )
    away.run(work)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT events FROM webhooks").fetchone() == (["done", "other", "own"],)
    assert len(tries) == 2
    with pytest.raises(IndexRefused, match="violates check constraint"):
        away.run(lambda connection: connection.execute("UPDATE webhooks SET url = 'odd'"))


def test_looking_through_the_bucket_reads_nothing_from_what_is_kept_at_hand(
    database: Database, store: FileStore
) -> None:
    asked: list[str] = []
    at_hand = Remembering(store, lambda name: True, told=asked.append)
    index = Index(at_hand, database, bucket=store)
    tally = index.look_through()
    assert tally is not None
    assert tally.written > 9
    assert not asked
