"""``kadr gc``: gives back the disk that nobody needs, beside running work."""

from __future__ import annotations

import re
import shutil
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import click

from cli.compose import Machine
from cli.holding import alone
from cli.runs import requests
from cli.sources import path_of
from cli.tables import print_json, print_table
from cli.text import number
from kadr.contracts.errors import ObjectMissing, StoreFailure
from kadr.pipeline.collecting import Ages, Garbage, Kind, garbage
from kadr.storage import layout
from kadr.storage.claims import FileClaims
from kadr.storage.store import ObjectStore

_AGE = re.compile(r"^(\d+)([smhd])$")
_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_WORDS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
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
    left_ms: int = 0
    """Of what waits for its age: what the first of them is short of it."""


@dataclass
class Sums:
    """What goes, and what waits for its age, by kind."""

    gone: dict[Kind | Aside, Sum] = field(default_factory=lambda: defaultdict(Sum))
    later: dict[Kind | Aside, Sum] = field(default_factory=lambda: defaultdict(Sum))

    def remove(self, kind: Kind | Aside, size: int) -> None:
        self.gone[kind].groups += 1
        self.gone[kind].size += size

    def wait(self, kind: Kind | Aside, size: int, left_ms: int) -> None:
        sum_of = self.later[kind]
        sum_of.left_ms = min(left_ms, sum_of.left_ms) if sum_of.groups else left_ms
        sum_of.groups += 1
        sum_of.size += size


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
    _say(sums, ages, dry_run, as_json)


def _collect(machine: Machine, ages: Ages, now_ms: int, dry_run: bool) -> Sums:
    store, sums, dropped = machine.store, Sums(), set()
    gone, later = set[str](), list[tuple[Garbage, int]]()

    def wait(group: Garbage, left_ms: int) -> None:
        later.append((group, left_ms))

    for group in garbage(store, layout.LOCAL_OWNER, ages, now_ms, partial(alone, store), wait):
        sums.remove(group.kind, _size(store, group.names))
        gone.update(group.names)
        if not dry_run:
            for name in group.names:
                store.delete(name)
        if group.kind is Kind.RUN:
            dropped.add(layout.run_of(group.names[0]))
    for group, left_ms in later:
        sums.wait(group.kind, _size(store, set(group.names) - gone), left_ms)
    for size, left_ms in _downloads(machine, now_ms - ages.payloads_ms, dropped, dry_run):
        if left_ms > 0:
            sums.wait(Aside.DOWNLOAD, size, left_ms)
        else:
            sums.remove(Aside.DOWNLOAD, size)
    for path in (machine.settings.home / "errors").glob("*.txt"):
        if _written_ms([path]) <= now_ms - ERRORS_KEPT_MS:
            sums.remove(Aside.ERROR, path.stat().st_size)
            if not dry_run:
                path.unlink()
    return sums


def _downloads(
    machine: Machine, until_ms: int, dropped: Collection[str | None], dry_run: bool
) -> Iterator[tuple[int, int]]:
    """Bytes of each fetched video that nobody fetches now and that no run, ``dropped`` apart, refers to, and the ms that it is
    short of its age; removed if it is not."""
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
            size, left_ms = sum(f.stat().st_size for f in files), _written_ms(files) - until_ms
            if path in referred():
                continue
            if left_ms <= 0 and not dry_run:
                shutil.rmtree(path, ignore_errors=True)
            yield size, left_ms
        finally:
            claim.release()


def _written_ms(files: Collection[Path]) -> int:
    return max((f.stat().st_mtime_ns // 1_000_000 for f in files), default=0)


def _size(store: ObjectStore, names: Collection[str]) -> int:
    size = 0
    for name in names:
        with suppress(ObjectMissing):
            size += store.size(name)
    return size


def _sweep(machine: Machine) -> None:
    """What processes that were killed left: locks, and stores of verifications."""
    machine.claims.sweep()
    FileClaims(machine.settings.home / "downloads/claims").sweep()
    for folder in (machine.settings.home / "verify").glob("*"):
        if (claim := machine.claims.take(f"verify-{folder.name}")) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            claim.release()


def _say(sums: Sums, ages: Ages, dry_run: bool, as_json: bool) -> None:
    if as_json:
        gone = {kind.name.lower(): {"count": s.groups, "bytes": s.size} for kind, s in sums.gone.items()}
        later = {
            kind.name.lower(): {"count": s.groups, "bytes": s.size, "first_in_ms": s.left_ms}
            for kind, s in sums.later.items()
        }
        size = sum(s.size for s in sums.gone.values())
        print_json({"dry_run": dry_run, "removed": gone, "bytes": size, "waiting": later})
        return
    for line in _asked(ages):
        print(line)
    rows = [(kind.value, s.groups, _mb(s.size)) for kind, s in sums.gone.items()]
    if rows:
        print_table(("what", "count", "MB"), rows, right=("count", "MB"))
    total = f"{_mb(sum(s.size for s in sums.gone.values()))} MB"
    print(f"{total} would be given back." if dry_run else f"{total} given back.")
    for kind, s in sums.later.items():
        first = "the first will be" if s.groups > 1 else "will be"
        print(
            f"Not old enough yet: {_named(kind, s.groups)}, {_mb(s.size)} MB; {first} in {span(s.left_ms)}."
        )


def _asked(ages: Ages) -> Iterator[str]:
    """Which ages were asked for, as they were understood."""
    yield f"Intermediates, and fetched videos of no run: older than {span(ages.payloads_ms)}."
    yield f"Results of no run: older than {span(ages.unreferenced_ms)}."
    runs = "all stay" if ages.runs_ms is None else f"closed ones older than {span(ages.runs_ms)}"
    yield f"Runs: {runs}."


def _named(kind: Kind | Aside, n: int) -> str:
    """``1 payload of intermediates``, ``2 payloads of intermediates``."""
    what, of, rest = kind.value.partition(" of ")
    return f"{number(n, what.removesuffix('s'))}{of}{rest}"


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f}"


def span(ms: int) -> str:
    """A length of time in words, by its largest unit and the next: ``1 minute``, ``6 days 23 hours``."""
    units = [(unit_ms, _WORDS[letter]) for letter, unit_ms in reversed(_UNITS_MS.items())]
    ms = max(ms, 1000 if ms else 0)
    largest = next((i for i, (unit_ms, _) in enumerate(units) if ms >= unit_ms), None)
    parts = []
    for unit_ms, word in units[largest : largest + 2] if largest is not None else ():
        many, ms = divmod(ms, unit_ms)
        parts += [number(many, word)] if many else []
    return " ".join(parts) or "0 seconds"
