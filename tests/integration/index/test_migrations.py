"""The schema goes up, down and up again with data in it, whoever starts, and nothing that was applied is edited silently."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from index.database import Database
from index.migrations import FOLDER, MigrationRefused, applied, load, migrate, pending
from index.rebuild import rebuild
from index.tables import DERIVED
from kadr.storage.files import FileStore
from tests.integration.index.bucket import dump


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True)


def test_every_migration_goes_down_and_up_again_with_data_in_it(url: str, store: FileStore) -> None:
    with Database(url) as database, connect(url) as connection:
        rebuild(store, database)
        before = dump(url)
        assert all(before[table.name] for table in DERIVED)
        connection.execute(
            "INSERT INTO webhooks (owner, url, events, secret) VALUES ('o', 'https://x/', '{a}', 'whsec_x')"
        )
        for number in range(len(load()) - 1, -1, -1):
            assert len(migrate(connection, to=number)) == 1
            assert set(applied(connection)) == set(range(1, number + 1))
        left = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        assert {name for (name,) in left} == {"kadr_migrations", "kadr_migrations_pkey"}
        for number in range(1, len(load()) + 1):
            assert len(migrate(connection, to=number)) == 1
        rebuild(store, database)
        assert dump(url) == before


def test_starters_at_once_apply_each_migration_once(empty_url: str) -> None:
    def start(_: int) -> list[str]:
        with connect(empty_url) as connection:
            return migrate(connection)

    with ThreadPoolExecutor(4) as pool:
        done = [step for steps in pool.map(start, range(4)) for step in steps]
    assert sorted(done) == [f"applied {m.number:04d}_{m.name}" for m in load()]


def test_an_edited_migration_is_refused_and_told(empty_url: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "migrations")
    with connect(empty_url) as connection:
        migrate(connection)
        with (tmp_path / "migrations/0001_index.up.sql").open("a") as file:
            file.write("ALTER TABLE runs ADD COLUMN mood text;")
        with pytest.raises(
            MigrationRefused, match="0001_index was applied to this database and edited since"
        ):
            migrate(connection, load(tmp_path / "migrations"))


def test_a_failing_migration_leaves_nothing_behind(empty_url: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "migrations")
    number = len(load()) + 1
    (tmp_path / f"migrations/{number:04d}_bad.up.sql").write_text("CREATE TABLE half (); SELECT 1/0;")
    (tmp_path / f"migrations/{number:04d}_bad.down.sql").write_text("DROP TABLE half;")
    bad = load(tmp_path / "migrations")
    with connect(empty_url) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(connection, bad)
        assert [m.name for m in pending(connection, bad)] == ["bad"]
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)
        (tmp_path / f"migrations/{number:04d}_bad.up.sql").write_text("CREATE TABLE half ();")
        migrate(connection, load(tmp_path / "migrations"))
        with pytest.raises(MigrationRefused, match=f"newer Kadr \\({number:04d}_bad\\)"):
            migrate(connection)


@pytest.mark.parametrize(
    "name", ["0009_gap.up.sql", "1_short.up.sql", "0001_double.up.sql", "0003_one_way.up.sql"]
)
def test_migrations_that_are_not_in_order_are_refused(tmp_path: Path, name: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "migrations")
    (tmp_path / "migrations" / name).write_text("SELECT 1;")
    with pytest.raises(MigrationRefused):
        load(tmp_path / "migrations")


def test_who_may_not_create_extensions_gets_an_index_without_pgvector(empty_url: str) -> None:
    with connect(empty_url) as connection:
        role = connection.info.dbname[:60] + "_r"
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        connection.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(role)))
    with connect(empty_url.replace("user=kadr", f"user={role}")) as connection:
        assert len(migrate(connection)) == len(load())
        assert connection.execute("SELECT FROM pg_extension WHERE extname = 'vector'").fetchone() is None


def test_embeddings_can_be_kept_where_pgvector_is(url: str) -> None:
    with connect(url) as connection:
        assert connection.execute("SELECT '[1,2]'::vector <-> '[1,4]'").fetchone() == (2.0,)
