"""What the index and the bucket disagree about, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from index import derive, tables
from index.database import Database
from index.rebuild import Progress, quiet, runs
from index.tables import Connection, Row, Table
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.pipeline import catalogue
from kadr.storage import layout
from kadr.storage.store import ObjectStore


@dataclass(frozen=True)
class Difference:
    """``what``: missing (from the index), extra (not in the bucket), stale (the index says something else), damaged (an
    object of the bucket cannot be read)."""

    what: str
    table: str
    key: tuple[str, ...]
    detail: str = ""


Wanted = dict[Table, list[Row]]


def check(store: ObjectStore, database: Database, progress: Progress = quiet) -> Iterator[Difference]:
    """Everything that the index says otherwise than the bucket; nothing is changed.

    What differs is looked at twice, for the pipeline goes on meanwhile. Raises DatabaseAway, StoreFailure.
    """
    with database.connection() as connection:
        needs = {tables.REQUIREMENTS: derive.requirements(catalogue.load())}
        yield from _compared(connection, (), needs)
        yield from _checked(connection, tables.VIDEOS, _videos(store), _video(store), progress)
        yield from _checked(connection, tables.ALIASES, _aliases(store), _alias(store), progress)
        named = ((run.owner, run.run_id) for run in runs(store) if run.request)
        yield from _checked(connection, tables.RUNS, named, _run(store), progress)


def _videos(store: ObjectStore) -> Iterator[tuple[str, ...]]:
    return (at for name in store.list(layout.ALL_VIDEOS) if (at := layout.video_of(name)))


def _aliases(store: ObjectStore) -> Iterator[tuple[str, ...]]:
    return (at for name in store.list(layout.ALL_ALIASES) if (at := layout.alias_of(name)))


def _video(store: ObjectStore) -> Callable[..., Wanted]:
    return lambda *at: {tables.VIDEOS: _some(derive.video(store, *at))}


def _alias(store: ObjectStore) -> Callable[..., Wanted]:
    return lambda *at: {tables.ALIASES: _some(derive.alias(store, *at))}


def _some(row: Row | None) -> list[Row]:
    return [] if row is None else [row]


def _run(store: ObjectStore) -> Callable[..., Wanted]:
    def derived(owner: str, run_id: str) -> Wanted:
        try:
            rows = derive.run(store, owner, run_id)
        except ObjectMissing:
            return {tables.RUNS: []}
        return {
            tables.RUNS: [rows.run],
            tables.COMPONENTS: rows.components,
            tables.ARTIFACTS: rows.artifacts,
            tables.PROFILE_COMPONENTS: rows.profile_components,
            tables.MODEL_MAPPING: rows.models,
        }

    return derived


def _checked(
    connection: Connection,
    table: Table,
    named: Iterator[tuple[str, ...]],
    derived: Callable[..., Wanted],
    progress: Progress,
) -> Iterator[Difference]:
    seen: set[tuple[str, ...]] = set()
    for at in named:
        if at not in seen:
            seen.add(at)
            yield from _of_one(connection, table, at, derived)
            progress(table.name, len(seen))
    for at in tables.keys(connection, table):
        if at not in seen:
            yield from _of_one(connection, table, at, derived)


def _of_one(
    connection: Connection, table: Table, at: tuple[str, ...], derived: Callable[..., Wanted]
) -> Iterator[Difference]:
    try:
        if any(_compared(connection, at, derived(*at))):
            yield from _compared(connection, at, derived(*at))
    except InvalidObject as error:
        yield Difference("damaged", table.name, at, str(error))


def _compared(connection: Connection, at: tuple[str, ...], wanted: Wanted) -> Iterator[Difference]:
    for table, rows in wanted.items():
        scope = at
        if table in (tables.PROFILE_COMPONENTS, tables.MODEL_MAPPING):
            scope = (at[0], wanted[tables.RUNS][0]["config_hash"])
        there = {table.id(row): row for row in tables.read(connection, table, *scope)}
        expected = {table.id(row): row for row in rows}
        for key in sorted(there.keys() | expected.keys()):
            if key not in there:
                yield Difference("missing", table.name, key)
            elif key not in expected:
                yield Difference("extra", table.name, key)
            elif columns := [c for c in table.values if there[key][c] != expected[key][c]]:
                yield Difference("stale", table.name, key, ", ".join(columns))
