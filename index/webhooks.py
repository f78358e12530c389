"""Webhooks: who wants to be told of what. One query a function; rows belong to their owner, and nobody else sees them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg.rows import dict_row

from index.database import Database
from index.tables import Connection

KEPT_S = 86_400
"""How long a secret that was replaced signs beside the new one."""
_COLUMNS: LiteralString = """
    id, owner, url, events, secret, CASE WHEN previous_until > now() THEN previous_secret END AS previous_secret,
    previous_until, enabled, disabled_why, created_at
"""


@dataclass(frozen=True)
class Webhook:
    id: str
    owner: str
    url: str
    events: tuple[str, ...]
    secret: str
    created_ms: int
    enabled: bool = True
    disabled_why: str | None = None
    previous_secret: str | None = None
    """Only while it still signs."""
    previous_until_ms: int | None = None

    def __repr__(self) -> str:
        return f"Webhook(id={self.id!r}, owner={self.owner!r})"  # no secrets in what is logged by chance

    @property
    def secrets(self) -> list[str]:
        """The newest first."""
        return [self.secret, *([self.previous_secret] if self.previous_secret else [])]


@dataclass(frozen=True)
class Wish:
    """What an enabled webhook wants to be told of; nothing of it is secret."""

    id: str
    owner: str
    events: tuple[str, ...]


def _webhook(row: dict[str, Any]) -> Webhook:
    previous = row["previous_until"] if row["previous_secret"] else None
    return Webhook(
        id=str(row["id"]),
        owner=row["owner"],
        url=row["url"],
        events=tuple(row["events"]),
        secret=row["secret"],
        created_ms=_ms(row["created_at"]),
        enabled=row["enabled"],
        disabled_why=row["disabled_why"],
        previous_secret=row["previous_secret"],
        previous_until_ms=_ms(previous) if previous else None,
    )


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _rows(connection: Connection, query: LiteralString, params: dict[str, Any]) -> list[Webhook]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return [_webhook(row) for row in cursor.execute(query, params).fetchall()]


class Webhooks:
    """The table; every method raises DatabaseAway."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def _all(self, query: LiteralString, **params: Any) -> list[Webhook]:
        return self.database.run(lambda connection: _rows(connection, query, params))

    def _one(self, query: LiteralString, **params: Any) -> Webhook | None:
        return next(iter(self._all(query, **params)), None)

    def version(self) -> str:
        """Another one whenever :meth:`wishes` are others: one row, however many there are."""
        query: LiteralString = """
            SELECT count(*), coalesce(sum(hashtextextended(owner || id::text || array_to_string(events, ' '), 0)), 0)
            FROM webhooks WHERE enabled
        """
        return str(self.database.run(lambda connection: connection.execute(query).fetchone()))

    def wishes(self) -> list[Wish]:
        """Of all owners."""
        query: LiteralString = "SELECT id, owner, events FROM webhooks WHERE enabled ORDER BY created_at, id"
        found = self.database.run(lambda connection: connection.execute(query).fetchall())
        return [Wish(str(one), owner, tuple(events)) for one, owner, events in found]

    def list(self, owner: str) -> list[Webhook]:
        query: LiteralString = "WHERE owner = %(owner)s ORDER BY created_at, id"
        return self._all("SELECT " + _COLUMNS + " FROM webhooks " + query, owner=owner)

    def get(self, owner: str, webhook_id: str) -> Webhook | None:
        if (wanted := _uuid(webhook_id)) is None:
            return None
        query: LiteralString = "WHERE owner = %(owner)s AND id = %(id)s"
        return self._one("SELECT " + _COLUMNS + " FROM webhooks " + query, owner=owner, id=wanted)

    def add(self, owner: str, url: str, events: Sequence[str], secret: str, most: int) -> Webhook | None:
        """The new one; None if the owner has one of this URL, or ``most`` of them."""
        query: LiteralString = """
            INSERT INTO webhooks (owner, url, events, secret)
            SELECT %(owner)s, %(url)s, %(events)s, %(secret)s
            WHERE (SELECT count(*) FROM webhooks WHERE owner = %(owner)s) < %(most)s
            ON CONFLICT DO NOTHING RETURNING
        """
        return self._one(
            query + _COLUMNS, owner=owner, url=url, events=list(events), secret=secret, most=most
        )

    def remove(self, owner: str, webhook_id: str) -> bool:
        """Whether it was there."""
        query: LiteralString = "DELETE FROM webhooks WHERE owner = %(owner)s AND id = %(id)s RETURNING "
        wanted = _uuid(webhook_id)
        return wanted is not None and bool(self._one(query + _COLUMNS, owner=owner, id=wanted))

    def enable(self, owner: str, webhook_id: str) -> Webhook | None:
        query: LiteralString = """
            UPDATE webhooks SET enabled = true, disabled_why = NULL
            WHERE owner = %(owner)s AND id = %(id)s RETURNING
        """
        wanted = _uuid(webhook_id)
        return self._one(query + _COLUMNS, owner=owner, id=wanted) if wanted else None

    def disable(self, owner: str, webhook_id: str, why: str) -> None:
        query: LiteralString = """
            UPDATE webhooks SET enabled = false, disabled_why = %(why)s
            WHERE owner = %(owner)s AND id = %(id)s RETURNING
        """
        if wanted := _uuid(webhook_id):
            self._one(query + _COLUMNS, owner=owner, id=wanted, why=why)

    def rotate(self, owner: str, webhook_id: str, secret: str, kept_s: int = KEPT_S) -> Webhook | None:
        """Sign by ``secret`` from now on, and by the one before beside it for a while."""
        query: LiteralString = """
            UPDATE webhooks SET previous_secret = secret, previous_until = now() + make_interval(secs => %(kept_s)s),
                   secret = %(secret)s
            WHERE owner = %(owner)s AND id = %(id)s RETURNING
        """
        wanted = _uuid(webhook_id)
        return (
            self._one(query + _COLUMNS, owner=owner, id=wanted, secret=secret, kept_s=kept_s)
            if wanted
            else None
        )


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
