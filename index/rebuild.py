"""Rebuilding the index from LISTs of the bucket, and saying what the two disagree about.

Row by row, while the service runs: docs/decisions/0012-index.md says why. A run whose row was derived from as many
objects as the LIST names is left alone, so a rebuild that was interrupted goes on where it was by being started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import NamedTuple

import psycopg

from index import derive, project, tables
from index.database import Database
from index.tables import Connection, Table
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.pipeline import catalogue
from kadr.storage import layout
from kadr.storage.store import ObjectStore

Progress = Callable[[str, int], None]
"""Is told what is looked at ("videos", "aliases", "runs") and how many were."""
TOLD = 1000
MEASURE = "SELECT epoch, closed, objects, projection FROM runs WHERE owner = %s AND run_id = %s"


@dataclass
class Tally:
    """What a rebuild did. ``damaged``: what cannot be indexed and why, the first thousand of ``skipped``."""

    videos: int = 0
    aliases: int = 0
    runs: int = 0
    written: int = 0
    removed: int = 0
    skipped: int = 0
    damaged: list[str] = field(default_factory=list)

    def skip(self, error: Exception) -> None:
        self.skipped += 1
        if len(self.damaged) < TOLD:
            self.damaged.append(str(error))


class Listed(NamedTuple):
    """A run as a LIST shows it. Without ``request`` there is no run: what is left of it is swept by others."""

    owner: str
    run_id: str
    request: bool
    objects: int
    done: frozenset[int]


def quiet(_what: str, _done: int) -> None:
    """Progress that nobody looks at."""


def rebuild(
    store: ObjectStore, database: Database, progress: Progress = quiet, everything: bool = False
) -> Tally:
    """Make the index say what the bucket says. ``everything``: derive each run anew, even where its row looks right.

    Raises DatabaseAway, StoreFailure: what was done until then stays, and the next rebuild goes on from there.
    """
    tally = Tally()
    with database.connection() as connection:
        project.project_catalogue(connection, catalogue.load())
        _videos(store, connection, progress, tally)
        _aliases(store, connection, progress, tally)
        _runs(store, connection, progress, tally, everything)
    return tally


def _videos(store: ObjectStore, connection: Connection, progress: Progress, tally: Tally) -> None:
    found = filter(None, map(layout.video_of, store.list(layout.ALL_VIDEOS)))
    write = partial(project.project_video, store, connection)
    tally.videos = _each(found, write, partial(progress, "videos"), connection, tables.VIDEOS, tally)


def _aliases(store: ObjectStore, connection: Connection, progress: Progress, tally: Tally) -> None:
    found = filter(None, map(layout.alias_of, store.list(layout.ALL_ALIASES)))
    write = partial(project.project_alias, store, connection)
    tally.aliases = _each(found, write, partial(progress, "aliases"), connection, tables.ALIASES, tally)


def _each(
    found: Iterable[tuple[str, ...]],
    write: Callable[..., bool],
    progress: Callable[[int], None],
    connection: Connection,
    table: Table,
    tally: Tally,
) -> int:
    """Write a row for each that was found, drop the others, and say how many there are."""
    seen: set[tuple[str, ...]] = set()
    number = 0
    for number, at in enumerate(found, 1):
        seen.add(at)
        _try(tally, partial(write, *at))
        progress(number)
    _drop(connection, table, seen, write, tally)
    return number


def _runs(
    store: ObjectStore, connection: Connection, progress: Progress, tally: Tally, everything: bool
) -> None:
    seen: set[tuple[str, ...]] = set()
    for listed in runs(store):
        if not listed.request:
            continue
        seen.add((listed.owner, listed.run_id))
        tally.runs += 1
        if everything or not _same(connection, listed):
            _try(tally, partial(_settle, store, connection, listed.owner, listed.run_id))
        progress("runs", tally.runs)
    _drop(connection, tables.RUNS, seen, partial(_settle, store, connection), tally)


def _try(tally: Tally, write: Callable[[], bool]) -> None:
    try:
        tally.written += write()
    except (InvalidObject, psycopg.DataError, psycopg.IntegrityError) as error:
        tally.skip(error)


def _drop(
    connection: Connection, table: Table, seen: set[tuple[str, ...]], write: Callable[..., bool], tally: Tally
) -> None:
    """Rows that the LIST did not name are looked up once more: they may have come since."""
    for at in tables.keys(connection, table):
        if at not in seen:
            try:
                tally.removed += write(*at)
            except InvalidObject as error:
                tally.skip(error)


def _same(connection: Connection, listed: Listed) -> bool:
    """Whether a run's row was derived from just what the LIST names."""
    row = connection.execute(MEASURE, (listed.owner, listed.run_id)).fetchone()
    if row is None:
        return False
    epoch, closed, objects, projection = row
    return (objects, projection) == (listed.objects, derive.PROJECTION) and closed == (epoch in listed.done)


def _settle(store: ObjectStore, connection: Connection, owner: str, run_id: str) -> bool:
    """Make a run's rows what the bucket says. Returns whether anything was written."""
    try:
        if project.write_run(connection, derive.run(store, owner, run_id)):
            return True
        measured = connection.execute(MEASURE, (owner, run_id)).fetchone()
        rows = derive.run(store, owner, run_id)
    except ObjectMissing:
        return project.forget_run(connection, owner, run_id)
    # Objects only grow: what is read after a row was written says at least as much as the row, unless the bucket has lost
    # objects, and the bucket is the truth.
    seen = (rows.run["epoch"], rows.run["closed"], rows.run["objects"], rows.run["projection"])
    return project.write_run(connection, rows, force=measured is not None and seen < measured)


def runs(store: ObjectStore) -> Iterator[Listed]:
    """All runs of the bucket, by one LIST."""
    named = (found for name in store.list(layout.ALL_STATE) if (found := layout.state_of(name)))
    for (owner, run_id), group in groupby(named, lambda found: found[:2]):
        rest = [name for _, _, name in group]
        objects = [parsed for name in rest if (parsed := layout.parse_state(name))]
        marks = [o for o in objects if isinstance(o, layout.MarkName)]
        yield Listed(
            owner,
            run_id,
            "request.json" in rest,
            len(objects),
            frozenset(m.epoch for m in marks if m.what == "done"),
        )
