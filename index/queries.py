"""What is asked of the index: one query a function. Times are milliseconds since 1970; rows are plain dicts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql
from psycopg.rows import dict_row

from index.derive import instant, source_hash
from index.tables import DERIVED, Connection, Row

MOST = 200
"""Rows of one page."""
After = tuple[int, str]
"""Where a page ended: (created_ms, run_id) of its last run."""

_RUN = """
SELECT owner, run_id, video_id, source, source_name, config_hash, profile_name, status, epoch, closed, refresh, priority, meta,
       manifest, required, platform_id, created_at, finished_at
FROM runs
"""


def _rows(connection: Connection, query: LiteralString, params: dict[str, Any]) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query, params).fetchall()
    return [{_said(name): _ms(value) for name, value in row.items()} for row in found]


def _said(name: str) -> str:
    return name.removesuffix("_at") + "_ms" if name.endswith("_at") else name


def _ms(value: Any) -> Any:
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value


def run(connection: Connection, owner: str, run_id: str) -> Row | None:
    """A run with its ``components`` in the order of the graph; None if the index knows of none."""
    at = {"owner": owner, "run_id": run_id}
    found = _rows(connection, _RUN + "WHERE owner = %(owner)s AND run_id = %(run_id)s", at)
    return {**found[0], "components": components(connection, owner, run_id)} if found else None


def components(connection: Connection, owner: str, run_id: str) -> list[Row]:
    """What became of each component of a run."""
    query: LiteralString = """
        SELECT component, stage, version, state, reason, error_code, error_message, tasks, computed, cached, seconds,
               gaps, warnings, models, device
        FROM run_components WHERE owner = %(owner)s AND run_id = %(run_id)s ORDER BY position
    """
    return _rows(connection, query, {"owner": owner, "run_id": run_id})


def runs(
    connection: Connection,
    owner: str,
    limit: int = 50,
    after: After | None = None,
    video_id: str | None = None,
    status: str | None = None,
    source: str | None = None,
) -> list[Row]:
    """An owner's runs, newest first, of one video, status or source if asked. ``after``: the last run of the page before.

    ``source``: the whole address, or what of it stands before the query that pins it.
    """
    query = _RUN + "WHERE owner = %(owner)s"
    if after is not None:
        query += " AND (created_at, run_id) < (%(created_at)s, %(run_id)s)"
    if video_id is not None:
        query += " AND video_id = %(video_id)s"
    if status is not None:
        query += " AND status = %(status)s"
    if source is not None:
        query += " AND %(source)s IN (source, split_part(source, '?', 1))"
    params = {
        "owner": owner,
        "created_at": instant(after[0]) if after else None,
        "run_id": after[1] if after else None,
        "video_id": video_id,
        "status": status,
        "source": source,
        "limit": max(1, min(limit, MOST)),
    }
    return _rows(connection, query + " ORDER BY created_at DESC, run_id DESC LIMIT %(limit)s", params)


def video(connection: Connection, owner: str, video_id: str) -> Row | None:
    """A video and how many runs looked at it."""
    query: LiteralString = """
        SELECT owner, video_id, kind, uri, size_bytes, seen_at,
               (SELECT count(*) FROM runs r WHERE r.owner = v.owner AND r.video_id = v.video_id) AS runs
        FROM videos v WHERE owner = %(owner)s AND video_id = %(video_id)s
    """
    found = _rows(connection, query, {"owner": owner, "video_id": video_id})
    return found[0] if found else None


def alias(connection: Connection, owner: str, source: str, ttl_days: int | None) -> str | None:
    """The video that ``source`` (a canonical URL) was when it was last seen, within ``ttl_days`` by the database's clock.

    0: never; None: whenever it was.
    """
    query = """
        SELECT video_id FROM video_aliases
        WHERE owner = %(owner)s AND source_hash = %(source_hash)s
          AND (%(ttl)s::integer IS NULL OR seen_at > now() - make_interval(days => %(ttl)s::integer))
        ORDER BY seen_at DESC, video_id LIMIT 1
    """
    if ttl_days == 0:
        return None
    params = {"owner": owner, "source_hash": source_hash(source), "ttl": ttl_days}
    found = connection.execute(query, params).fetchone()
    return None if found is None else str(found[0])


def finished(
    connection: Connection, owner: str, source: str, config_hash: str, ttl_days: int | None
) -> Row | None:
    """The run that finished last of the same question, within ``ttl_days`` by the database's clock; its status says how."""
    query = """
        WHERE owner = %(owner)s AND source_hash = %(source_hash)s AND config_hash = %(config_hash)s AND closed
          AND (%(ttl)s::integer IS NULL OR finished_at > now() - make_interval(days => %(ttl)s::integer))
        ORDER BY finished_at DESC, run_id DESC LIMIT 1
    """
    if ttl_days == 0:
        return None
    params = {
        "owner": owner,
        "source_hash": source_hash(source),
        "config_hash": config_hash,
        "ttl": ttl_days,
    }
    found = _rows(connection, _RUN + query, params)
    return found[0] if found else None


def with_result(connection: Connection, owner: str, digest: str, limit: int = MOST) -> list[Row]:
    """Where a result is used: runs, tasks and names, by its digest."""
    query: LiteralString = """
        SELECT run_id, task, name, component, video_id, key, cached FROM artifacts
        WHERE owner = %(owner)s AND digest = %(digest)s ORDER BY run_id, task, name LIMIT %(limit)s
    """
    return _rows(connection, query, {"owner": owner, "digest": digest, "limit": limit})


def sizes(connection: Connection) -> dict[str, int]:
    """Rows of each table of the index that is there, webhooks among them."""
    names = [*(table.name for table in DERIVED), "webhooks"]
    there = [n for n in names if connection.execute("SELECT to_regclass(%s)", (n,)).fetchone() != (None,)]
    count = sql.SQL("SELECT count(*) FROM {}")
    return {n: int(connection.execute(count.format(sql.Identifier(n))).fetchall()[0][0]) for n in there}
