"""``kadr index``: the index in PostgreSQL. Its schema, bringing it back from the store, and what the two disagree about.

The store is the bucket of the service: of the one that runs here, or that the settings name; else, or with ``--local``, the one of
`kadr analyze`.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cli.compose import Machine
from cli.running import service_here
from cli.service import Service
from cli.tables import print_json, print_table
from cli.text import number, printable
from kadr.contracts.errors import KadrError
from kadr.settings import InvalidSetting, Settings

if TYPE_CHECKING:
    from index.database import Database
    from index.rebuild import Progress
    from kadr.storage.store import ObjectStore

SHOWN = 20
EVERY_S = 0.5


class NotInstalled(KadrError):
    """The libraries of the service are not installed: pip install 'kadr[service]'."""


@click.group("index")
def command() -> None:
    """The index in PostgreSQL (KADR_DATABASE_URL): a copy of what the store says that can be asked quickly."""


local_option = click.option(
    "--local", is_flag=True, help="The store of `kadr analyze` on this machine, whatever service there is."
)


@dataclass(frozen=True)
class Store:
    """Where the objects are, and what people call it."""

    objects: ObjectStore
    named: str


def _settings() -> Settings:
    """Of the service that runs here, unless the environment names another database; else the environment's."""
    settings = Settings.read()
    here = service_here(settings)
    if here is None or settings.database_url not in (None, here.settings.database_url):
        return settings
    return here.settings


def _store(settings: Settings, local: bool) -> Store:
    """Raises ServiceUnset where a bucket is named by half."""
    if local or settings.s3_endpoint is None:
        return Store(Machine(settings).store, "the store")
    return Store(Service(settings).store, f"bucket {settings.s3_bucket} at {settings.s3_endpoint}")


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    """The database of the settings, if it answers. Raises InvalidSetting, NotInstalled, DatabaseAway."""
    if (url := settings.database_url) is None:
        raise InvalidSetting(
            f"no service runs here (of KADR_HOME {settings.home}) and KADR_DATABASE_URL is not set: start one by `kadr up`, "
            "or name the PostgreSQL that is to hold the index, "
            "e.g. postgresql://user:password@host:5432/kadr"
        )
    if importlib.util.find_spec("psycopg") is None:
        raise NotInstalled()
    from index.database import Database

    with Database(url.get_secret_value()) as database:
        with database.directly():
            pass  # what it raises says why it cannot be reached
        yield database


@command.command("migrate")
@click.option("--to", type=click.IntRange(0), help="Up or down to this migration; 0 takes all back.")
def migrate_index(to: int | None) -> None:
    """Bring the database's schema to what this version needs. Safe to be run by several at once."""
    with _database(_settings()) as database, database.directly() as connection:
        from index.migrations import migrate

        for line in (done := migrate(connection, to=to)):
            print(line)
        print(f"{database.named}: {number(len(done), 'migration')} done" if done else "nothing to do")


@command.command("rebuild")
@click.option("--everything", is_flag=True, help="Derive every run anew, even where its row looks right.")
@local_option
@click.option("--json", "as_json", is_flag=True, help="A JSON object instead of words.")
def rebuild_index(everything: bool, local: bool, as_json: bool) -> None:
    """Make the index say what the store says, while the service runs. Stopped, it goes on when it is run again.

    The store is the bucket of the service that runs here or that the settings name; where there is none, this machine's own.
    """
    settings = _settings()
    store = _store(settings, local)
    with _database(settings) as database:
        from index.rebuild import rebuild

        began = time.monotonic()
        tally = rebuild(store.objects, database, _progress(), everything)
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        return print_json({**vars(tally), "seconds": seconds})
    for told in tally.damaged[:SHOWN]:
        click.echo(printable(f"skipped: {told}"), err=True)
    counts = ", ".join((number(tally.runs, "run"), number(tally.videos, "video"), f"{tally.aliases} aliases"))
    print(
        f"{counts} in {store.named}; {tally.written} written, {tally.removed} removed, {tally.skipped} skipped "
        f"in {seconds} s"
    )
    return None


@command.command("check")
@local_option
@click.option("--json", "as_json", is_flag=True, help="A JSON list instead of a table.")
def check_index(local: bool, as_json: bool) -> None:
    """Say what the index and the store (as of `rebuild`) disagree about. The exit code is 1 if anything."""
    settings = _settings()
    store = _store(settings, local)
    with _database(settings) as database:
        from index.check import check

        found = list(check(store.objects, database, _progress()))
    if as_json:
        print_json([vars(d) for d in found])
    elif found:
        rows = [
            (d.what, d.table, "/".join(map(printable, d.key)), printable(d.detail)) for d in found[:SHOWN]
        ]
        print_table(("what", "table", "key", "detail"), rows)
        counted = ", ".join(f"{n} {what}" for what, n in sorted(Counter(d.what for d in found).items()))
        print(f"\n{counted}. To mend it: kadr index rebuild (--everything where rows are stale).")
    else:
        print(f"the index says what {store.named} says")
    if found:
        sys.exit(1)


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="A JSON object instead of words.")
def show_status(as_json: bool) -> None:
    """Which database it is, which schema it has, and how many rows."""
    with _database(_settings()) as database, database.directly() as connection:
        from index.migrations import applied, pending
        from index.queries import sizes

        missing = pending(connection)
        server = connection.info.server_version // 10_000
        vector = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        said: dict[str, Any] = {
            "database": database.named,
            "postgresql": server,
            "pgvector": vector[0] if vector else None,
            "applied": [f"{n:04d}_{name}" for n, (name, _) in sorted(applied(connection).items())],
            "pending": [f"{m.number:04d}_{m.name}" for m in missing],
            "rows": sizes(connection),
        }
    if as_json:
        return print_json(said)
    print(f"{said['database']}: PostgreSQL {server}, pgvector {said['pgvector'] or 'not there'}")
    print(f"schema: {said['applied'][-1] if said['applied'] else 'none'}")
    if missing:
        print(f"pending: {', '.join(said['pending'])}: run `kadr index migrate`")
    if said["rows"]:
        print_table(("table", "rows"), list(said["rows"].items()), right=("rows",))
    return None


def _progress() -> Progress:
    """Tells a person at a terminal now and then how far it is."""
    told = time.monotonic()

    def tell(what: str, done: int) -> None:
        nonlocal told
        if sys.stderr.isatty() and time.monotonic() - told > EVERY_S:
            told = time.monotonic()
            click.echo(f"{what}: {done}", err=True)

    return tell
