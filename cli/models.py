"""``kadr models``: which weights there are, who needs them, fetching them and checking them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.compose import Machine
from cli.tables import print_json, print_table
from kadr.contracts.errors import ModelDigestMismatch, ModelUnavailable, StoreFailure
from kadr.contracts.faults import meant
from kadr.settings import InvalidSetting

if TYPE_CHECKING:
    from inference.pull import Progress
    from inference.registry import FileCheck
    from inference.weights import DigestCheck
    from kadr.contracts.model import ModelCard

MARKS = {"ok": "ok", "missing": "not here", "wrong": "WRONG"}


@click.group("models")
def command() -> None:
    """List, fetch and check model weights."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON list instead of a table.")
def list_models(as_json: bool) -> None:
    """Every model: task, licence, size, where its weights are, and the components that use it."""
    from rich.filesize import decimal

    machine = Machine()
    used = users(machine)
    found = [_described(machine, name, used.get(name, [])) for name in machine.registry.names()]
    if as_json:
        return print_json(found)
    headers = ("name", "version", "task", "engine", "licence", "size", "where", "used by")
    keys = ("name", "version", "task", "engine", "licence")
    rows = [
        (*(m[k] for k in keys), decimal(m["size_bytes"]), m["where"], ", ".join(m["used_by"]) or "–")
        for m in found
    ]
    left_out = print_table(
        headers,
        rows,
        right=("version", "size"),
        whole=("name", "size"),
        spare=("engine", "version", "used by", "licence"),
    )
    if left_out:
        print(f"\nLeft out, for the terminal is narrow: {', '.join(left_out)} (--json has all).")
    if missing := [m["name"] for m in found if m["where"] == "missing"]:
        print(f"\nTo fetch what is missing: kadr models pull {' '.join(missing)}")
    return None


def users(machine: Machine) -> dict[str, list[str]]:
    """Models to the components that use them, some only with certain parameters, by the catalogue."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, entry in machine.catalogue.components.items():
        by_value = (models for values in entry.model_params.values() for models in values.values())
        merge = entry.merge.models if entry.merge else ()
        for model in (*entry.models, *merge, *(m for models in by_value for m in models)):
            found[model].add(name)
    return {model: sorted(components) for model, components in found.items()}


def _described(machine: Machine, name: str, used_by: Sequence[str]) -> dict[str, Any]:
    card = machine.registry.card(name)
    where, path = _whereabouts(machine, name)
    return {
        "name": card.name,
        "version": card.version,
        "task": card.task,
        "engine": card.engine,
        "precision": card.precision,
        "licence": card.licence,
        "size_bytes": sum(f.size for f in card.files),
        "where": where,
        "path": str(path) if path else None,
        "used_by": list(used_by),
        "signature": machine.registry.signature(name),
    }


def _whereabouts(machine: Machine, name: str) -> tuple[str, Path | None]:
    """In words for people, and the folder."""
    from inference.cards import BUILT_IN

    try:
        folder = machine.registry.files(name).main.parent
    except ModelUnavailable:
        return "missing", None
    settings = machine.settings
    known = {"in repository": BUILT_IN, "pulled": settings.weights, "own": settings.models}
    where = next((word for word, root in known.items() if root and folder.is_relative_to(root)), None)
    return where or "installed package", folder


@command.command("pull")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Every model that can be fetched.")
@click.option("--profile", help="The models that this profile needs; default, if no NAME is given: standard.")
@click.option(
    "--from",
    "source",
    metavar="DIR|URL",
    help="Take the files, or their packages, from this folder or base URL.",
)
def pull_models(names: tuple[str, ...], every: bool, profile: str | None, source: str | None) -> None:
    """Fetch weights; what is here and whole is left alone, and a broken download is resumed."""
    from inference.weights import DigestCheck

    machine = Machine()
    _check_names(machine, names)
    digests = DigestCheck(machine.settings.weights / ".checked")
    wanted = _wanted(machine, names, every, profile)
    absent = [name for name in wanted if not _whole(machine, digests, name)]
    for name in wanted:
        if name not in absent:
            print(f"{name}: here", file=sys.stderr)
    if absent:
        _check_writable(machine.settings.weights)
    for name in absent:
        _pull(machine, digests, machine.registry.card(name), source)


def _wanted(machine: Machine, names: Sequence[str], every: bool, profile: str | None) -> list[str]:
    from inference.weights import pullable
    from kadr.pipeline.profiles import load_profile

    wanted = list(names)
    if every:
        wanted += [n for n in machine.registry.names() if pullable(machine.registry.card(n))]
    if profile or not wanted:
        wanted += machine.question(load_profile(profile or "standard")).models
    return list(dict.fromkeys(wanted))


def _check_names(machine: Machine, names: Sequence[str]) -> None:
    """Raises click.UsageError for a name that no model has."""
    known = machine.registry.names()
    for name in (n for n in names if n not in known):
        cards = ", ".join(known)
        raise click.UsageError(
            f"no model is called {name!r}{meant(name, known)}: there are cards for {cards}"
        )


def _whole(machine: Machine, digests: DigestCheck, name: str) -> bool:
    try:
        _verify(machine, digests, name)
    except (ModelUnavailable, ModelDigestMismatch):
        return False
    return True


def _verify(machine: Machine, digests: DigestCheck, name: str) -> None:
    """Raises ModelUnavailable, ModelDigestMismatch; a file that was hashed before is not hashed again."""
    files = machine.registry.files(name)
    for file in files.card.files:
        digests.verify(files.card, file, files.paths[file.name])


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".pull.lock").touch()
    except OSError as error:
        raise StoreFailure(
            f"cannot write weights to {folder}: {error.strerror}; name another folder by KADR_WEIGHTS"
        ) from error


def _pull(machine: Machine, digests: DigestCheck, card: ModelCard, source: str | None) -> None:
    """Raises ModelUnavailable, ModelDigestMismatch, NoSpaceLeft."""
    from rich.filesize import decimal

    from inference.pull import pull

    settings = machine.settings
    with _shown(card) as progress, _told(card, machine):
        folder = pull(
            card,
            settings.weights,
            progress,
            source=source if source is None or "://" in source else Path(source),
            index_url=settings.package_index,
            cafile=str(settings.ca_file) if settings.ca_file else None,
        )
    # Damaged files in a folder that is searched before this one would still be taken.
    _verify(machine, digests, card.name)
    print(f"{card.name}: {decimal(sum(f.size for f in card.files))} in {folder}", file=sys.stderr)


@contextmanager
def _told(card: ModelCard, machine: Machine) -> Iterator[None]:
    """What the system or pip would not do, said as what became of the model. Raises ModelUnavailable."""
    certificates = machine.settings.ca_file
    if certificates is not None and not os.access(certificates, os.R_OK):
        raise InvalidSetting(f"KADR_CA_FILE={str(certificates)!r}: there is no such file that can be read")
    try:
        yield
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable(
            f"{card.name} could not be fetched: pip did not say in {error.timeout:g} s which package index it uses: "
            "name one by KADR_PACKAGE_INDEX, or a folder or URL by --from"
        ) from error
    except OSError as error:
        hint = f" (certificates: {certificates})" if certificates else ""
        raise ModelUnavailable(f"{card.name} could not be fetched: {error}{hint}") from error


@contextmanager
def _shown(card: ModelCard) -> Iterator[Progress]:
    """A download as people see it: a bar in a terminal, else a line when it begins."""
    if not sys.stderr.isatty():
        print(f"{card.name}: fetching", file=sys.stderr, flush=True)
        yield lambda done, total: None
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.DownloadColumn())
    with rich.Progress(*columns, rich.TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        row = bars.add_task(card.name, total=None)
        yield lambda done, total: bars.update(row, completed=done, total=total)
        size = sum(f.size for f in card.files)
        bars.update(row, completed=size, total=size)


@command.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
def check_models(names: tuple[str, ...], as_json: bool) -> None:
    """Hash every file anew. Exit code 1 if one is wrong, or one of the NAMEs is not all here."""
    machine = Machine()
    _check_names(machine, names)
    checks = machine.registry.check(names or None)
    faults = [
        c for c in checks if c.state == "wrong" or (c.state == "missing" and _expected(c, names, checks))
    ]
    if as_json:
        print_json({"ok": not faults, "files": [_checked(c) for c in checks]})
    else:
        _print_checks(machine, checks, faults)
    sys.exit(1 if faults else 0)


def _expected(check: FileCheck, names: Sequence[str], checks: Sequence[FileCheck]) -> bool:
    """A file that is missing is a fault if its model was asked for by name, or others of its files are here."""
    return bool(names) or any(c.model == check.model and c.state != "missing" for c in checks)


def _checked(check: FileCheck) -> dict[str, Any]:
    path = str(check.path) if check.path else None
    facts = {"model": check.model, "file": check.file, "state": check.state, "path": path}
    return {**facts, "expected": check.expected, "found": check.found}


def _print_checks(machine: Machine, checks: Sequence[FileCheck], faults: Sequence[FileCheck]) -> None:
    rows = [(c.model, c.file, MARKS[c.state], c.path or "–") for c in checks]
    print_table(("model", "file", "state", "path"), rows, whole=("model", "state"))
    for name in dict.fromkeys(c.model for c in faults):
        for fault in (f for f in faults if f.model == name):
            print(_complaint(machine, fault), file=sys.stderr)


def _complaint(machine: Machine, fault: FileCheck) -> str:
    from inference.weights import mismatch_text

    card = machine.registry.card(fault.model)
    if fault.path is None or fault.found is None:
        return f"{fault.model}: {fault.file} is missing: run `kadr models pull {fault.model}`"
    return mismatch_text(card, fault.path, fault.expected, fault.found)
