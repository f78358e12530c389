"""Projection: a run's objects in the bucket become its rows. Idempotent, in any order, by several at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from index import derive, tables
from index.derive import Rows
from index.tables import Connection, Row
from kadr.contracts.errors import ObjectMissing
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.epochs import Objects
from kadr.storage import layout
from kadr.storage.store import ObjectStore

_NOT_LATER = sql.SQL(
    " WHERE (runs.epoch, runs.closed, runs.objects, runs.projection)"
    " <= (excluded.epoch, excluded.closed, excluded.objects, excluded.projection)"
)
_INSERTED = sql.SQL(" RETURNING (xmax = 0)")
_NAME_BY_NEWEST = """
UPDATE analysis_profiles SET name = newest.profile_name
FROM (
    SELECT profile_name FROM runs WHERE owner = %(owner)s AND config_hash = %(config_hash)s
    ORDER BY created_at DESC, run_id DESC LIMIT 1
) AS newest
WHERE owner = %(owner)s AND config_hash = %(config_hash)s AND name <> newest.profile_name
"""


@dataclass(frozen=True)
class Projected:
    """``written`` is false when the index knew more already. ``objects``: what was read, for the next time; None of a run
    that is no more."""

    written: bool
    closed: bool = False
    objects: Objects | None = None


def project(
    store: ObjectStore, connection: Connection, owner: str, run_id: str, known: Objects | None = None
) -> Projected:
    """Bring one run's rows up to what the bucket says; rows that say more, read later by somebody else, are left alone.

    Raises InvalidObject (nothing is changed), StoreFailure, psycopg.Error.
    """
    try:
        rows = derive.run(store, owner, run_id, known)
    except ObjectMissing:
        forget_run(connection, owner, run_id)
        return Projected(True)
    written = write_run(connection, rows)
    if written:
        project_sources(store, connection, rows.run)
    return Projected(written, rows.run["closed"], rows.objects)


def write_run(connection: Connection, rows: Rows, force: bool = False) -> bool:
    """Write a run's rows in one transaction, unless those that are there were derived from more. ``force`` writes anyway."""
    at = (rows.run["owner"], rows.run["run_id"])
    query = tables.upsert(tables.RUNS) + (sql.SQL("") if force else _NOT_LATER) + _INSERTED
    with connection.transaction():
        found = connection.execute(query, tables.RUNS.bound(rows.run)).fetchone()
        if found is None:
            return False
        tables.sync(connection, tables.COMPONENTS, at, rows.components)
        tables.sync(connection, tables.ARTIFACTS, at, rows.artifacts)
        if found[0] or force:
            _write_profile(connection, rows)
    return True


def _write_profile(connection: Connection, rows: Rows) -> None:
    """The profile's row is locked first: of two runs that come with it at once, the second sees the first one's name."""
    at = (rows.profile["owner"], rows.profile["config_hash"])
    query = tables.upsert(tables.PROFILES)
    connection.execute(query, tables.PROFILES.bound(rows.profile))
    connection.execute(_NAME_BY_NEWEST, rows.profile)
    tables.sync(connection, tables.PROFILE_COMPONENTS, at, rows.profile_components)
    tables.sync(connection, tables.MODEL_MAPPING, at, rows.models)


def forget_run(connection: Connection, owner: str, run_id: str) -> bool:
    """Remove the rows of a run that the bucket has no more, and of a profile that no other run has. Returns whether any were."""
    query = "DELETE FROM runs WHERE owner = %s AND run_id = %s RETURNING config_hash"
    with connection.transaction():
        found = connection.execute(query, (owner, run_id)).fetchone()
        if found is None:
            return False
        at = {"owner": owner, "config_hash": found[0]}
        lock = "SELECT FROM analysis_profiles WHERE owner = %(owner)s AND config_hash = %(config_hash)s FOR UPDATE"
        connection.execute(lock, at)
        connection.execute(
            "DELETE FROM analysis_profiles p WHERE p.owner = %(owner)s AND p.config_hash = %(config_hash)s"
            " AND NOT EXISTS (SELECT FROM runs r WHERE r.owner = p.owner AND r.config_hash = p.config_hash)",
            at,
        )
        connection.execute(_NAME_BY_NEWEST, at)
    return True


def project_sources(store: ObjectStore, connection: Connection, run: Row) -> None:
    """The video that a run looks at, and the aliases of its source: when the run is new to them, and when it is closed."""
    owner, video_id = run["owner"], run["video_id"]
    if video_id is None:
        return
    query = "SELECT FROM videos WHERE owner = %s AND video_id = %s"
    known = connection.execute(query, (owner, video_id)).fetchone() is not None
    if known and not run["closed"]:
        return
    project_video(store, connection, owner, video_id)
    for name in store.list(layout.alias_prefix(owner, run["source_hash"])):
        if (found := layout.alias_of(name)) is not None:
            project_alias(store, connection, *found)


def project_video(store: ObjectStore, connection: Connection, owner: str, video_id: str) -> bool:
    """Bring one video's row up to the bucket; a video that is no more loses it. Returns whether anything changed."""
    return _one(connection, tables.VIDEOS, (owner, video_id), derive.video(store, owner, video_id))


def project_alias(store: ObjectStore, connection: Connection, owner: str, hashed: str, video_id: str) -> bool:
    """The same for one alias."""
    at = (owner, hashed, video_id)
    return _one(connection, tables.ALIASES, at, derive.alias(store, *at))


def project_catalogue(connection: Connection, catalogue: Catalogue) -> bool:
    """What each component needs, as the catalogue says."""
    with connection.transaction():
        return bool(tables.sync(connection, tables.REQUIREMENTS, (), derive.requirements(catalogue)))


def _one(
    connection: psycopg.Connection[Any], table: tables.Table, at: tuple[str, ...], row: Row | None
) -> bool:
    with connection.transaction():
        return bool(tables.sync(connection, table, at, [] if row is None else [row]))
