"""``kadr show``: what became of a run, whether or not it was finished."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from cli import again, damage
from cli.compose import Machine
from cli.holding import held
from cli.runs import NO_RUNS, Named, find, requests
from cli.summary import found_in, in_words
from cli.tables import print_json, print_table
from cli.text import printable
from cli.tracker import exactly
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.manifest import ComponentSummary
from kadr.contracts.run import Record, RecordResult, Request, RunStatus, TaskState
from kadr.pipeline.admission import asked_ms, load_objects
from kadr.pipeline.closing import compile_manifest
from kadr.pipeline.graph import holds
from kadr.pipeline.state import RunState, evaluate
from kadr.storage.files import FileStore
from kadr.storage.results import ResultId, read_header

SHOWN = 8
"""Digits of a run's id in the table of all runs: enough to name it by."""
PLAIN = {"t": "times", "start": "spans"}
COLOURS = {"complete": "green", "succeeded": "green", "failed": "red", "blocked": "red", "cancelled": "red"}


RUNNING, WAITING, STOPPED = "running", "waiting", "stopped"
"""Of a run that is not closed: a process works on it, or will when those before it let it, or none does.

A component that was begun is running or stopped likewise."""


@dataclass(frozen=True)
class Seen:
    """A run as its objects tell it. ``held``: a process works on it, or is about to."""

    named: Named
    state: RunState
    components: Mapping[str, ComponentSummary]
    held: bool = False

    @classmethod
    def read(cls, store: FileStore, named: Named) -> Seen:
        request = named.request
        is_held = held(store, request.run_id)  # before the objects: what ends in between has closed the run
        state = evaluate(request, load_objects(store, request))
        return cls(named, state, compile_manifest(request, state).components, is_held)

    @property
    def request(self) -> Request:
        return self.named.request

    @property
    def status(self) -> str:
        status = self.state.status
        if status not in (RunStatus.RUNNING, RunStatus.QUEUED):
            return status.value
        return STOPPED if not self.held else WAITING if status == RunStatus.QUEUED else RUNNING

    def state_of(self, component: str) -> str:
        state = self.components[component].state
        return STOPPED if state == RUNNING and not self.held else state

    def records(self, component: str) -> list[Record]:
        """Of the whole video if there is one, else of the chunks so far."""
        tasks = [t for t in self.state.of(component) if t.record is not None]
        whole = [t for t in tasks if t.chunk is None]
        return [t.record for t in whole or tasks if t.record is not None]


@click.command("show")
@click.argument("run", required=False, metavar="[RUN|VIDEO]")
@click.option("--all", "every", is_flag=True, help="A table of all runs.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
def command(run: str | None, every: bool, as_json: bool) -> None:
    """Show a run: by its id or the beginning of it, that of a folder of results, the newest of a VIDEO, or of all."""
    machine = Machine()
    store = machine.store
    if every:
        if run is not None:
            raise click.UsageError("--all shows every run: leave out RUN, or leave out --all")
        return _show_all(store, as_json)
    seen = Seen.read(store, find(store, run))
    described = describe(machine, seen)
    print_json(described) if as_json else _print(described)
    return None


def describe(machine: Machine, seen: Seen) -> dict[str, Any]:
    """Everything that is shown, as plain data."""
    store, request, closed = machine.store, seen.request, seen.state.closed
    where = seen.named.files(store, seen.state)
    return {
        "run_id": request.run_id,
        "status": seen.status,
        "video": seen.named.title,
        "source": seen.named.path.absolute().as_uri(),
        "video_id": request.video_id,
        "profile": request.profile_name,
        "config_hash": request.config_hash,
        "epoch": seen.state.epoch,
        "created_ms": request.created_ms,
        "asked_ms": asked_ms(store, request),
        "manifest": closed.manifest if closed else None,
        "found": _found(where.get("insights.json")),
        "warnings": damage.warnings(seen.components),
        "components": {name: _component(store, seen, name) for name in seen.components},
        "files": {name: str(path) for name, path in where.items()},
        "again": again.command_of(machine, request, seen.named.path, resuming=closed is None),
        "resumable": holds(request, machine.catalogue),
    }


def _found(path: Path | None) -> Mapping[str, int]:
    try:
        return {} if path is None else found_in(path)
    except InvalidObject as error:
        print(printable(f"skipped: {error}"), file=sys.stderr)
        return {}


def _component(store: FileStore, seen: Seen, name: str) -> dict[str, Any]:
    summary, tasks = seen.components[name], seen.state.of(name)
    results = [_result(store, seen.request, name, r) for record in seen.records(name) for r in record.results]
    return {
        "stage": summary.stage,
        "state": seen.state_of(name),
        "reason": summary.reason,
        "error": summary.error,
        "gaps": summary.gaps,
        "tasks": {
            "known": len(tasks),
            "done": sum(t.state is not TaskState.WAITING and t.state.terminal for t in tasks),
            "computed": summary.computed,
            "cached": summary.cached,
        },
        "seconds": summary.seconds,
        "models": [m.name for m in summary.models],
        "counts": dict(sum((Counter(r.pop("counts")) for r in results), Counter())),
        "results": results,
    }


def _result(store: FileStore, request: Request, component: str, result: RecordResult) -> dict[str, Any]:
    at = ResultId(request.owner, request.video_id or "", component, result.key, result.digest)
    facts = {"name": result.name, "key": result.key, "digest": result.digest, "cached": result.cached}
    try:
        arrays = read_header(store, at)["arrays"]
    except (ObjectMissing, InvalidObject):
        return {**facts, "stored": False, "file": None, "counts": {}}
    counts = {} if result.name == "plan" else counted(arrays)
    return {**facts, "stored": True, "file": str(store.root / at.npz) if arrays else None, "counts": counts}


def counted(arrays: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many of what a result has, told by its arrays of times: ``word_start_ms`` of 20 is 20 × word."""
    counts = {}
    for name in (n for n in arrays if n.endswith("_ms") and arrays[n]["shape"]):
        *what, last = name.removesuffix("_ms").split("_")
        if last != "end":
            label = " ".join(what if last in PLAIN else [*what, last]) or PLAIN[last]
            counts[label] = int(arrays[name]["shape"][0])
    return counts


def _print(run: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    status = Text(run["status"], COLOURS.get(run["status"], "yellow"))
    Console(file=sys.stdout, soft_wrap=True).print(Text(printable(run["video"]), "bold"), status)
    epoch = f", epoch {run['epoch']}" if run["epoch"] > 1 else ""
    print(f"run {run['run_id']}, profile {run['profile']}, asked {when(run['asked_ms'])}{epoch}")
    if run["found"]:
        print(f"found {in_words(run['found'], True)}")
    if run["warnings"]:
        print(printable(f"{damage.DAMAGED} {damage.in_words(run['warnings'])}"))
    print()
    headers = ("component", "stage", "state", "tasks", "computed", "cached", "seconds", "made")
    rows = [_row(name, c) for name, c in run["components"].items()]
    print_table(headers, rows, right=("tasks", "computed", "cached", "seconds"), whole=headers[:-1])
    print()
    for line in _remarks(run):
        print(printable(line))


def _row(name: str, c: Mapping[str, Any]) -> tuple[object, ...]:
    from rich.text import Text

    tasks = c["tasks"]
    known = tasks["done"] if tasks["done"] == tasks["known"] else f"{tasks['done']} of {tasks['known']}"
    made = ", ".join(f"{n} × {_one(what) if n == 1 else what}" for what, n in c["counts"].items())
    state = Text(c["state"], COLOURS.get(c["state"], "yellow"))
    return (name, c["stage"], state, known, tasks["computed"], tasks["cached"], f"{c['seconds']:.1f}", made)


def _one(what: str) -> str:
    return what.removesuffix("s") if what in PLAIN.values() else what


def _remarks(run: Mapping[str, Any]) -> Iterator[str]:
    """What is missing and why, and where to look or what to do next."""
    for name, c in run["components"].items():
        if c["state"] in ("failed", "blocked", "partial", "absent"):
            code = f"{c['error']['code']}: " if c["error"] else ""
            gaps = ", ".join(f"{exactly(start)}–{exactly(end)}" for start, end in c["gaps"])
            yield f"{name} is {c['state']}: {code}{c['reason']}" + (f" (not seen: {gaps})" if gaps else "")
    if lost := [name for name, c in run["components"].items() if not all(r["stored"] for r in c["results"])]:
        yield f"results of {', '.join(lost)} are not in the store any more (or are damaged): {_same(run)} makes them again"
    elif following := _next(run):
        yield following
    if report := run["files"].get("report.html"):
        others = ", ".join(sorted(set(run["files"]) - {"report.html"}))
        yield f"report: {report}"
        yield f"beside it: {others}"


def next_step(machine: Machine, seen: Seen) -> str:
    """What is to be done about a run that lacks what people open; of one that must fail, what is wrong."""
    run = describe(machine, seen)
    errors = [] if again.helps(_codes(run)) else [c["error"]["message"] for c in _erred(run)]
    return "; ".join(dict.fromkeys([*errors, _next({**run, "files": {}})]))


def _erred(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The components that could not do all of their work."""
    return [c for c in run["components"].values() if c["error"] and c["state"] in ("failed", "partial")]


def _codes(run: Mapping[str, Any]) -> list[str]:
    return [c["error"]["code"] for c in _erred(run)]


def _next(run: Mapping[str, Any]) -> str:
    """What is to be done about a run that is not complete, or has no report; "" if nothing is."""
    same = _same(run)
    if run["status"] == RUNNING:
        return "a process works on it now"
    if run["status"] == WAITING:
        return "a process comes to it when those before it let it"
    if run["status"] == RunStatus.COMPLETE and run["files"]:
        return ""
    if not run["resumable"]:
        return f"components of this run have changed since: {same} makes a new run, which takes over what still holds"
    if run["status"] == STOPPED:
        return f"nobody works on it: {same} resumes it"
    if run["status"] == RunStatus.COMPLETE:
        return f"there is no whole report, or it was removed: {same} makes it"
    if not again.helps(_codes(run)):
        return "asking the same again would fail alike"
    return f"{same} tries again what is missing"


def _same(run: Mapping[str, Any]) -> str:
    """The command that asks the same again."""
    return again.in_words(run["again"], run["profile"])


def when(ms: int) -> str:
    """Local date and time of ``ms`` since the epoch."""
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")


def _show_all(store: FileStore, as_json: bool) -> None:
    found = [(asked_ms(store, request), request) for request in requests(store)]
    runs = sorted(found, key=lambda f: (f[0], f[1].run_id), reverse=True)
    listed = [_brief(store, Seen.read(store, Named.of(request)), at_ms) for at_ms, request in runs]
    if as_json:
        return print_json(listed)
    if not listed:
        return print(NO_RUNS)
    keys = ("status", "video", "profile")
    rows = [(r["run_id"][:SHOWN], *(r[k] for k in keys), when(r["asked_ms"]), _missing(r)) for r in listed]
    headers = ["run", "status", "video", "profile", "asked", "missing"]
    if not any(run["missing"] or run["damaged"] for run in listed):
        headers, rows = headers[:-1], [row[:-1] for row in rows]
    print_table(headers, rows, whole=("run", "status", "asked"))
    return None


def _missing(run: Mapping[str, Any]) -> str:
    """What failed, and what the file lacks; what is missing only because of the former is counted."""
    missing: Mapping[str, str] = run["missing"]
    blocked = sum(state == "blocked" for state in missing.values())
    own = [f"{name} ({state})" for name, state in missing.items() if state != "blocked"]
    counted_ones = [f"{blocked} blocked"] if blocked else []
    return ", ".join([*own, *counted_ones, *([run["damaged"]] if run["damaged"] else [])])


def _damaged(store: FileStore, seen: Seen) -> str:
    """What of the file is damaged, in few words; "" for nothing."""
    if not damage.warnings(seen.components):
        return ""
    kinds: set[str] = set()
    for result in (result for record in seen.records("probe") for result in record.results):
        at = ResultId(seen.request.owner, seen.request.video_id or "", "probe", result.key, result.digest)
        with suppress(ObjectMissing, InvalidObject):
            found = read_header(store, at).get("payload", {}).get("damage") or ()
            kinds |= {str(one.get("kind")) for one in found}
    return damage.in_short(kinds)


def _brief(store: FileStore, seen: Seen, at_ms: int) -> dict[str, Any]:
    request = seen.request
    return {
        "run_id": request.run_id,
        "status": seen.status,
        "video": request.source_name,
        "video_id": request.video_id,
        "profile": request.profile_name,
        "created_ms": request.created_ms,
        "asked_ms": at_ms,
        "damaged": _damaged(store, seen),
        "missing": {
            name: c.state
            for name, c in seen.components.items()
            if c.state in ("failed", "blocked", "partial")
        },
    }
