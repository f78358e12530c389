"""The tables that are derived from the bucket: their columns, and writing just what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Table:
    """``key`` names a row; the rows with one value of the first ``scope`` columns of it are written together."""

    name: str
    key: tuple[str, ...]
    values: tuple[str, ...]
    scope: int = 2
    json: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.key, *self.values)

    def id(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[c] for c in self.key)

    def bound(self, row: Mapping[str, Any]) -> list[Any]:
        """The row's values in the order of columns, as PostgreSQL takes them."""
        return [Jsonb(row[c]) if c in self.json and row[c] is not None else row[c] for c in self.columns]


VIDEOS = Table("videos", ("owner", "video_id"), ("kind", "uri", "size_bytes", "seen_at"))
ALIASES = Table("video_aliases", ("owner", "source_hash", "video_id"), ("uri", "seen_at"))
RUNS = Table(
    "runs",
    ("owner", "run_id"),
    (
        "video_id",
        "source",
        "source_hash",
        "source_name",
        "captions_file",
        "config_hash",
        "profile_name",
        "sampling_policy_version",
        "dataprocessor_version",
        "platform_id",
        "catalogue",
        "required",
        "refresh",
        "priority",
        "meta",
        "status",
        "created_at",
        "finished_at",
        "manifest",
        "epoch",
        "closed",
        "objects",
        "projection",
    ),
    json=frozenset({"captions_file", "meta"}),
)
COMPONENTS = Table(
    "run_components",
    ("owner", "run_id", "component"),
    (
        "position",
        "stage",
        "version",
        "state",
        "reason",
        "error_code",
        "error_message",
        "tasks",
        "computed",
        "cached",
        "seconds",
        "gaps",
        "warnings",
        "models",
        "device",
    ),
    json=frozenset({"gaps", "warnings", "models"}),
)
ARTIFACTS = Table(
    "artifacts",
    ("owner", "run_id", "task", "name"),
    ("component", "video_id", "key", "digest", "cached", "absent"),
)
PROFILES = Table(
    "analysis_profiles",
    ("owner", "config_hash"),
    ("name", "sampling_policy_version", "dataprocessor_version"),
)
PROFILE_COMPONENTS = Table(
    "profile_components",
    ("owner", "config_hash", "component"),
    ("params", "frames"),
    json=frozenset({"params", "frames"}),
)
MODEL_MAPPING = Table(
    "profile_model_mapping",
    ("owner", "config_hash", "component", "model"),
    ("signature", "version", "engine", "precision", "licence"),
)
REQUIREMENTS = Table(
    "component_resource_requirements",
    ("component",),
    (
        "version",
        "stage",
        "cpu",
        "memory_mb",
        "gpu_memory_mb",
        "seconds_per_minute",
        "model_seconds_per_minute",
        "timeout_s",
        "batch",
        "batch_window_ms",
    ),
    scope=0,
    json=frozenset({"model_seconds_per_minute"}),
)
DERIVED = (
    VIDEOS,
    ALIASES,
    RUNS,
    COMPONENTS,
    ARTIFACTS,
    PROFILES,
    PROFILE_COMPONENTS,
    MODEL_MAPPING,
    REQUIREMENTS,
)
"""All that `kadr index rebuild` brings back; webhooks are not among them."""


def read(connection: Connection, table: Table, *scope: str) -> list[Row]:
    """The rows whose key begins with ``scope``, by key."""
    query = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {}").format(
        _names(table.columns), sql.Identifier(table.name), _are(table.key[: len(scope)]), _names(table.key)
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, scope).fetchall()


def keys(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    """The keys of all rows."""
    query = sql.SQL("SELECT {0} FROM {1} ORDER BY {0}")
    return connection.execute(query.format(_names(table.key), sql.Identifier(table.name))).fetchall()


def sync(connection: Connection, table: Table, scope: Sequence[str], rows: Iterable[Row]) -> int:
    """Make the rows whose key begins with ``scope`` exactly ``rows``, touching only those that differ. Returns how many did."""
    there = {table.id(row): row for row in read(connection, table, *scope)}
    wanted = {table.id(row): row for row in rows}
    changed = [row for at, row in wanted.items() if there.get(at) != row]
    gone = [at for at in there if at not in wanted]
    if (
        not there and len(changed) > 1
    ):  # nobody else writes them: the caller holds the row that they belong to
        _copy(connection, table, changed)
    elif changed:
        with connection.cursor() as cursor:
            cursor.executemany(upsert(table), [table.bound(row) for row in changed])
    for at in gone:
        delete(connection, table, *at)
    return len(changed) + len(gone)


def _copy(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), _names(table.columns))
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for row in rows:
            copy.write_row(table.bound(row))


def delete(connection: Connection, table: Table, *scope: str) -> None:
    """Remove the rows whose key begins with ``scope``, and what belongs to them."""
    query = sql.SQL("DELETE FROM {} WHERE {}")
    connection.execute(query.format(sql.Identifier(table.name), _are(table.key[: len(scope)])), scope)


def upsert(table: Table) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
        sql.Identifier(table.name),
        _names(table.columns),
        sql.SQL(", ").join(sql.Placeholder() * len(table.columns)),
        _names(table.key),
        sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in table.values
        ),
    )


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(c) for c in columns)


def _are(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        [sql.SQL("true"), *(sql.SQL("{} = %s").format(sql.Identifier(c)) for c in columns)]
    )
