"""Migrations: plain numbered SQL, each in a transaction of its own, under a lock, recorded with its digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from kadr.contracts.errors import KadrError

FOLDER = Path(__file__).parents[1] / "migrations"
LOCK = 0x6B616472
"""Of PostgreSQL's advisory locks, ours: "kadr" in ASCII."""
PATIENCE_MS = 120_000
_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.(up|down)\.sql$")
_TABLE = """
CREATE TABLE IF NOT EXISTS kadr_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    digest text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationRefused(KadrError):
    """The database's schema is not one that this version of Kadr can take further."""

    status = 409


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    up: str
    down: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.up}\0{self.down}".encode()).hexdigest()


def load(folder: Path = FOLDER) -> list[Migration]:
    """The migrations in ``folder``, by number. Raises MigrationRefused if one is missing, doubled or has no way back."""
    files: dict[tuple[int, str], dict[str, str]] = {}
    for path in sorted(folder.glob("*.sql")):
        if (found := _NAME.match(path.name)) is None:
            raise MigrationRefused(f"{path} is not named like 0001_name.up.sql")
        files.setdefault((int(found[1]), found[2]), {})[found[3]] = path.read_text(encoding="utf-8")
    made = []
    for expected, ((number, name), texts) in enumerate(sorted(files.items()), start=1):
        if number != expected or set(texts) != {"up", "down"}:
            raise MigrationRefused(
                f"{folder}: migration {expected:04d} must be there once, as .up.sql and .down.sql"
            )
        made.append(Migration(number, name, texts["up"], texts["down"]))
    return made


def applied(connection: psycopg.Connection[Any]) -> dict[int, tuple[str, str]]:
    """Number to (name, digest) of what was applied; nothing where there is no index yet."""
    if connection.execute("SELECT to_regclass('kadr_migrations')").fetchone() == (None,):
        return {}
    rows = connection.execute("SELECT number, name, digest FROM kadr_migrations").fetchall()
    return {number: (name, digest) for number, name, digest in rows}


def pending(connection: psycopg.Connection[Any], known: Sequence[Migration] | None = None) -> list[Migration]:
    """Migrations that are still to be applied. Raises MigrationRefused if one that was applied is edited or not known."""
    known = load() if known is None else known
    done = applied(connection)
    if unknown := sorted(set(done) - {m.number for m in known}):
        names = ", ".join(f"{n:04d}_{done[n][0]}" for n in unknown)
        raise MigrationRefused(
            f"the database has migrations of a newer Kadr ({names}): install that version, or go down with it first"
        )
    for migration in known:
        if migration.number in done and done[migration.number][1] != migration.digest:
            raise MigrationRefused(
                f"migration {migration.number:04d}_{migration.name} was applied to this database and edited since: "
                f"restore the file, and put the change into a migration of a new number"
            )
    return [m for m in known if m.number not in done]


def migrate(
    connection: psycopg.Connection[Any], known: Sequence[Migration] | None = None, to: int | None = None
) -> list[str]:
    """Bring the schema up to migration ``to`` (by default the last), or down to it. Returns what was done, in words.

    Safe to be called by several at once: each step takes the lock and looks anew. ``connection`` must be outside a transaction.
    """
    known = load() if known is None else known
    target = len(known) if to is None else to
    if not 0 <= target <= len(known):
        raise MigrationRefused(f"there is no migration {target}: the last is {len(known)}")
    done = []
    while (step := _step(connection, known, target)) is not None:
        done.append(step)
    return done


def _step(connection: psycopg.Connection[Any], known: Sequence[Migration], target: int) -> str | None:
    """One migration, up or down; None when the schema is where it should be."""
    with connection.transaction():
        connection.execute(
            sql.SQL("SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = 0").format(PATIENCE_MS)
        )
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(_TABLE)
        missing = pending(connection, known)
        if missing and missing[0].number <= target:
            return _up(connection, missing[0])
        there = [m for m in known if m not in missing and m.number > target]
        return _down(connection, there[-1]) if there else None


def _up(connection: psycopg.Connection[Any], migration: Migration) -> str:
    _run(connection, migration.up)
    row = (migration.number, migration.name, migration.digest)
    connection.execute("INSERT INTO kadr_migrations (number, name, digest) VALUES (%s, %s, %s)", row)
    return f"applied {migration.number:04d}_{migration.name}"


def _down(connection: psycopg.Connection[Any], migration: Migration) -> str:
    _run(connection, migration.down)
    connection.execute("DELETE FROM kadr_migrations WHERE number = %s", (migration.number,))
    return f"took back {migration.number:04d}_{migration.name}"


def _run(connection: psycopg.Connection[Any], text: str) -> None:
    connection.execute(text.encode())
