"""``kadr gc``: gives back the disk that nobody needs, beside running work."""

from __future__ import annotations

import re
import shutil
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import click

from cli.compose import Machine
from cli.holding import held
from cli.runs import requests
from cli.sources import path_of
from cli.tables import print_json, print_table
from kadr.contracts.errors import ObjectMissing, StoreFailure
from kadr.pipeline.collecting import Ages, Garbage, Kind, garbage
from kadr.storage import layout
from kadr.storage.claims import FileClaims
from kadr.storage.store import ObjectStore

_AGE = re.compile(r"^(\d+)([smhd])$")
_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
ERRORS_KEPT_MS = 30 * _UNITS_MS["d"]


class Aside(StrEnum):
    """What goes besides objects of the store."""

    DOWNLOAD = "downloads of no run"
    ERROR = "notes of errors"


class Age(click.ParamType[int]):
    """A length of time such as ``7d``, ``12h``, ``30m``, ``90s``, in ms."""

    name = "AGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds of ``value``; fails with usage for anything else."""
        if isinstance(value, int):
            return value
        if (found := _AGE.match(str(value))) is None:
            self.fail(f"{value!r} is not an age: write e.g. 7d, 12h, 30m or 0s", param, ctx)
        return int(found[1]) * _UNITS_MS[found[2]]


@dataclass
class Sum:
    groups: int = 0
    size: int = 0


@click.command("gc")
@click.option(
    "--older-than",
    type=Age(),
    default="7d",
    show_default=True,
    help="Age of intermediates that expire, and of fetched videos that no run refers to.",
)
@click.option(
    "--runs-older-than", type=Age(), help="Drop closed runs of this age, with their stored reports."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
def command(older_than: int, runs_older_than: int | None, dry_run: bool, as_json: bool) -> None:
    """Remove what nobody needs. Safe at any time: running work goes on, and what it misses is made again.

    Frame packs and decoded sound expire by age. Results go when no run refers to them. Runs, with their
    results and reports in the store, go only when --runs-older-than says so; reports beside videos stay.
    Videos fetched by URL go by age when no run refers to them, and details of errors inside Kadr after 30 days.
    """
    machine = Machine()
    claim = machine.claims.take("gc")
    if claim is None:
        raise StoreFailure("another `kadr gc` is at work: wait for it")
    try:
        ages = Ages.of(machine.catalogue, older_than, runs_older_than)
        sums = _collect(machine, ages, time.time_ns() // 1_000_000, dry_run)
        if not dry_run:
            _sweep(machine)
    finally:
        claim.release()
    _say(sums, dry_run, as_json)


def _collect(machine: Machine, ages: Ages, now_ms: int, dry_run: bool) -> dict[Kind | Aside, Sum]:
    store = machine.store
    sums: dict[Kind | Aside, Sum] = defaultdict(Sum)
    dropped = set()
    for group in garbage(store, layout.LOCAL_OWNER, ages, now_ms, partial(held, store)):
        sums[group.kind].groups += 1
        sums[group.kind].size += _gone(store, group, dry_run)
        if group.kind is Kind.RUN:
            dropped.add(layout.run_of(group.names[0]))
    for size in _downloads(machine, now_ms - ages.payloads_ms, dropped, dry_run):
        sums[Aside.DOWNLOAD].groups += 1
        sums[Aside.DOWNLOAD].size += size
    for path in (machine.settings.home / "errors").glob("*.txt"):
        if _written_ms([path]) <= now_ms - ERRORS_KEPT_MS:
            sums[Aside.ERROR].groups += 1
            sums[Aside.ERROR].size += path.stat().st_size
            if not dry_run:
                path.unlink()
    return sums


def _downloads(
    machine: Machine, until_ms: int, dropped: Collection[str | None], dry_run: bool
) -> Iterator[int]:
    """Bytes of each fetched video that nobody fetches now and that no run, ``dropped`` apart, refers to; removed likewise."""
    folder = (machine.settings.home / "downloads").absolute()
    claims = FileClaims(folder / "claims")

    def referred() -> set[Path]:
        return {path_of(r.source).parent for r in requests(machine.store) if r.run_id not in dropped}

    fetched = {p for p in folder.glob("*") if p.name != "claims" and p.is_dir()}
    for path in sorted(fetched - referred()) if fetched else ():
        if (claim := claims.take(path.stem)) is None:
            continue
        try:
            files = [p for p in path.rglob("*") if p.is_file()]
            if _written_ms(files) <= until_ms and path not in referred():
                yield sum(f.stat().st_size for f in files)
                if not dry_run:
                    shutil.rmtree(path, ignore_errors=True)
        finally:
            claim.release()


def _written_ms(files: Collection[Path]) -> int:
    return max((f.stat().st_mtime_ns // 1_000_000 for f in files), default=0)


def _gone(store: ObjectStore, group: Garbage, dry_run: bool) -> int:
    """Bytes of ``group``, removed unless it is only asked."""
    size = 0
    for name in group.names:
        with suppress(ObjectMissing):
            size += store.size(name)
        if not dry_run:
            store.delete(name)
    return size


def _sweep(machine: Machine) -> None:
    """What processes that were killed left: locks, and stores of verifications."""
    machine.claims.sweep()
    FileClaims(machine.settings.home / "downloads/claims").sweep()
    for folder in (machine.settings.home / "verify").glob("*"):
        if (claim := machine.claims.take(f"verify-{folder.name}")) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            claim.release()


def _say(sums: dict[Kind | Aside, Sum], dry_run: bool, as_json: bool) -> None:
    if as_json:
        found = {kind.name.lower(): {"count": s.groups, "bytes": s.size} for kind, s in sums.items()}
        print_json({"dry_run": dry_run, "removed": found, "bytes": sum(s.size for s in sums.values())})
        return
    rows = [(kind.value, s.groups, f"{s.size / 1e6:.1f}") for kind, s in sums.items()]
    if rows:
        print_table(("what", "count", "MB"), rows, right=("count", "MB"))
    total = f"{sum(s.size for s in sums.values()) / 1e6:.1f} MB"
    print(f"{total} would be given back." if dry_run else f"{total} given back.")
