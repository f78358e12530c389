"""``GET /v1/runs``: the owner's runs, newest first, from the index. So who dropped a file into the inbox finds the run of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, request

from api.app import BadRequest, problem, said
from index import queries
from index.database import Database
from index.tables import Row
from kadr.contracts.errors import KadrError
from kadr.contracts.run import RunStatus

MOST = 100
USUAL = 50
FIELDS = ("limit", "cursor", "status", "source")
_CURSOR = re.compile(r"([0-9]{1,14})_([0-9a-z-]{1,64})")


class NoIndex(KadrError):
    """Runs are listed from a database: set KADR_DATABASE_URL."""

    status = 503


@dataclass(frozen=True)
class Asked:
    """What is asked for; raises BadRequest with all that is wrong with it."""

    limit: int
    after: queries.After | None
    status: str | None
    source: str | None

    @classmethod
    def of(cls, told: dict[str, str]) -> Asked:
        limit, cursor = told.get("limit", str(USUAL)), told.get("cursor")
        status, source = told.get("status"), told.get("source")
        wrong = [
            f"there is no field {name[:80]!r}: known are {', '.join(FIELDS)}"
            for name in set(told) - {*FIELDS}
        ]
        if not re.fullmatch("[0-9]{1,3}", limit, re.ASCII) or not 1 <= int(limit) <= MOST:
            wrong.append(f"limit {limit[:20]!r} must be 1 to {MOST}")
        if (at := _CURSOR.fullmatch(cursor or "0_0")) is None:
            wrong.append("cursor must be what the page before gave")
        if status is not None and status not in set(RunStatus):
            wrong.append(f"status {status[:50]!r} must be one of {', '.join(RunStatus)}")
        if source is not None and "\0" in source:
            wrong.append("source must be an address, or a file's name in the inbox")
        if wrong or at is None:
            raise BadRequest("; ".join(sorted(wrong)))
        return cls(int(limit), (int(at[1]), at[2]) if cursor else None, status, source and _address(source))


@dataclass(frozen=True)
class Listing:
    """The route. ``database``: None where none is named."""

    database: Database | None
    owner: str
    check_key: Callable[[], None]

    def blueprint(self) -> Blueprint:
        made = Blueprint("listing", __name__, url_prefix="/v1")
        made.before_request(self.check_key)
        made.register_error_handler(KadrError, problem)
        made.add_url_rule("/runs", "runs", self.runs, methods=["GET"])
        return made

    def runs(self) -> Response:
        asked = Asked.of(request.args.to_dict())
        if self.database is None:
            raise NoIndex
        found = self.database.run(
            lambda connection: queries.runs(
                connection, self.owner, asked.limit + 1, asked.after, status=asked.status, source=asked.source
            )
        )
        page, last = found[: asked.limit], found[asked.limit - 1 : asked.limit]
        cursor = f"{last[0]['created_ms']}_{last[0]['run_id']}" if len(found) > asked.limit else None
        return said(200, {"runs": [_listed(row) for row in page], "cursor": cursor})


def _listed(row: Row) -> dict[str, Any]:
    """By the names that the run itself is told by."""
    return {
        "run_id": row["run_id"],
        "status": row["status"],
        "video_id": row["video_id"],
        "name": row["source_name"],
        "source": row["source"],
        "profile": row["profile_name"],
        "config_hash": row["config_hash"],
        "epoch": row["epoch"],
        "created_ms": row["created_ms"],
        "ended_ms": row["finished_ms"],
        "manifest": row["manifest"],
        "meta": row["meta"],
        "url": f"/v1/runs/{row['run_id']}",
    }


def _address(source: str) -> str:
    """A file of the inbox may be named as it is in the bucket."""
    return f"kadr:///{quote(source)}" if source.startswith("inbox/") else source
