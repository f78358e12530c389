"""``kadr verify``: a run's results made again from its manifest, and compared one by one."""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import click

from cli import again
from cli.compose import Machine
from cli.progress import Bars, Lines, View
from cli.runs import Named, find
from cli.stopping import Stoppable
from cli.tables import print_json, print_table
from cli.text import number, printable
from cli.verification import EXIT_DIFFERENT, Verification
from kadr.contracts.errors import KadrError, StoreFailure, VideoChanged, VideoUnreadable
from kadr.contracts.keys import jcs
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Graph, Request
from kadr.pipeline.admission import Admitted, identify, load_objects
from kadr.pipeline.admission import heal as put_back
from kadr.pipeline.arriving import Arriving
from kadr.pipeline.localrun import LocalRun
from kadr.pipeline.state import RunState, evaluate
from kadr.pipeline.verifying import Finding, Verdict, compared, part_of, stored, unlike
from kadr.pipeline.verifying_records import MANIFEST, RECORD, manifest_found, records_lost
from kadr.storage import layout

SHOWN = 8
"""Digits of a hash in the name of an object that are shown."""


class CannotVerify(KadrError):
    """This run cannot be verified here."""

    status = 422


@click.command("verify")
@click.argument("run", required=False, metavar="[RUN|VIDEO]")
@click.option(
    "--stored", "only_stored", is_flag=True, help="Compute nothing: only check what is in the store."
)
@click.option(
    "--drop", is_flag=True, help="Remove damaged results, so that the next analysis makes them again."
)
@click.option(
    "--heal", is_flag=True, help="Put back the run's records that were removed or damaged, from its manifest."
)
@click.option("--only", help="Only these components (comma-separated) and what they read.")
@click.option(
    "--video",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Where the video is, if it was moved since.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Cores to keep busy; default: all.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
def command(
    run: str | None,
    only_stored: bool,
    drop: bool,
    heal: bool,
    only: str | None,
    video: Path | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Make a run's results again from its manifest, aside, and say of each whether it is the same.

    Its records are looked at too. Nothing in the store is changed but by --drop and --heal; only a manifest that was damaged
    or removed is compiled again from its records, and that is said.

    Exit codes: 0 all identical or within the stated tolerance, 1 some are not, or were damaged or removed, 3 some could not
    be compared.
    """
    machine = Machine()
    named = find(machine.store, run)
    manifest, own = _manifest(machine, named)
    own += records_lost(machine.store, named.request)
    in_store = list(stored(machine.store, manifest, machine.catalogue))
    found = Verification(manifest, in_store, only_stored=only_stored, own=own)
    if not only_stored:
        names = [n.strip() for n in only.split(",") if n.strip()] if only else []
        _again(machine, found, names, video or named.path, jobs)
    if drop:
        found.drop(machine)
    if heal:
        found = replace(found, healed=put_back(machine.store, named.request))
    if as_json:
        _print_json(found)
    else:
        _print(found)
        for line in (_put_back(machine, named, found), _heals(machine, named, found)):
            if line:
                print(printable(line))
    sys.exit(found.exit_code)


def _manifest(machine: Machine, named: Named) -> tuple[Manifest, list[Finding]]:
    request = named.request
    state = evaluate(request, load_objects(machine.store, request))
    if state.closed is None:
        raise CannotVerify(f"run {request.run_id} is not finished: {_same(machine, named, True)} finishes it")
    return manifest_found(machine.store, request, state)


def _again(machine: Machine, found: Verification, only: Sequence[str], path: Path, jobs: int | None) -> None:
    """Execute the run once more in a store of its own, and compare."""
    manifest = found.manifest
    known = {n.component for n in manifest.graph.nodes}
    if unknown := sorted(set(only) - known):
        raise CannotVerify(
            f"the run has no component {', '.join(unknown)}: it has {', '.join(sorted(known))}"
        )
    found.left_out.update(_unlike(machine, manifest))
    graph = part_of(manifest.graph, only, found.left_out)
    for name in known - {n.component for n in graph.nodes} - set(found.left_out) if not only else ():
        found.left_out[name] = "reads what cannot be made again here"
    if not graph.nodes:
        return
    view: View = Bars() if sys.stderr.isatty() else Lines()
    with _aside(machine, manifest.request.run_id) as aside, view:
        state = _executed(aside, manifest.request, graph, path, view, jobs)
        found.again.extend(compared(machine.store, manifest, aside.store, state, machine.catalogue))


def _unlike(machine: Machine, manifest: Manifest) -> dict[str, str]:
    registry = machine.registry
    known = set(registry.names())
    found = unlike(manifest, machine.catalogue, lambda m: registry.signature(m) if m in known else None)
    for node in manifest.graph.nodes:
        models = {*node.models, *(node.merge.models if node.merge else ())}
        if node.component not in found and (missing := registry.missing(models)):
            found[node.component] = f"needs weights: kadr models pull {' '.join(missing)}"
    return found


@contextmanager
def _aside(machine: Machine, run_id: str) -> Iterator[Machine]:
    """A machine whose store is empty and is removed in the end; one process verifies a run at a time."""
    claim = machine.claims.take(f"verify-{run_id}")
    if claim is None:
        raise StoreFailure(f"run {run_id} is being verified already: wait for it")
    home = machine.settings.home / "verify" / run_id
    try:
        shutil.rmtree(home, ignore_errors=True)
        settings = machine.settings.model_copy(
            update={"home": home, "weights_folder": machine.settings.weights}
        )
        yield Machine(settings)
    finally:
        shutil.rmtree(home, ignore_errors=True)
        with suppress(OSError):  # another run is being verified
            home.parent.rmdir()
        claim.release()


def _executed(
    aside: Machine, request: Request, graph: Graph, path: Path, view: View, jobs: int | None
) -> RunState:
    try:
        video_id, source = identify(aside.store, path, lambda f: view.hashing(request.source_name, f))
    except VideoUnreadable as error:
        if path.exists():
            raise
        where = "if it was moved, say where it is by --video FILE; --stored checks what is stored without it"
        raise VideoUnreadable(f"{error}; {where}") from error
    if video_id != request.video_id:
        raise VideoChanged(
            f"{path} is not the video of run {request.run_id} any more: its SHA-256 is {video_id}, the run's {request.video_id}; "
            "name the right file by --video, or check what is stored by --stored"
        )
    again = request.model_copy(update={"graph": graph})
    aside.store.put(layout.request(again.owner, again.run_id), jcs(again.model_dump(mode="json")))
    admitted = Admitted(again, source, "verifying", False, False)
    view.begin(admitted, request.source_name, aside.catalogue)
    run = LocalRun.of(admitted, "", wants_report=False, title=request.source_name)
    coordinator = aside.coordinator(view.event, view.note, jobs)
    with Stoppable(coordinator):
        coordinator.run(Arriving([lambda: run]))
    if run.error is not None:
        raise run.error
    return evaluate(again, load_objects(aside.store, again))


def _print_json(found: Verification) -> None:
    counts = Counter(f.verdict.value for f in found.again)
    said = {
        "run_id": found.manifest.request.run_id,
        "manifest": found.manifest.digest,
        "stored": dict(Counter(f.verdict.value for f in found.stored)),
        "again": dict(counts),
        "left_out": found.left_out,
        "components": _by_component(found),
        "faults": [asdict(f) for f in found.faults],
        "dropped": len(found.dropped),
        "healed": found.healed,
    }
    print_json(said)


def _by_component(found: Verification) -> dict[str, dict[str, int]]:
    names = [n.component for n in found.manifest.graph.nodes]
    counts = {name: Counter(f.verdict.value for f in found.results if f.component == name) for name in names}
    return {name: dict(count) for name, count in counts.items() if count}


def _print(found: Verification) -> None:
    findings = found.results
    shown = [v for v in Verdict if any(f.verdict is v for f in findings)]
    rows = []
    for node in found.manifest.graph.nodes:
        counts = Counter(f.verdict for f in findings if f.component == node.component)
        if counts:
            rows.append((node.component, *(counts[v] or "" for v in shown)))
    heads = [v.value for v in shown]
    print_table(("results of", *heads), rows, right=heads)
    for finding in found.faults:
        print(printable(f"{finding.verdict.value}: {_what(finding)}: {_shortened(finding.detail)}"))
    for name, why in found.left_out.items():
        print(printable(f"not verified: {name} {why}"))
    print(_said(found))


def _what(finding: Finding) -> str:
    """The task, and its result where that is called otherwise."""
    if finding.output == RECORD:
        return f"record of {finding.task}"
    own = finding.output in ("", finding.component)
    return finding.task if own else f"{finding.task} {finding.output}"


def _shortened(detail: str) -> str:
    return re.sub(rf"\b([0-9a-f]{{{SHOWN}}})[0-9a-f]{{{64 - SHOWN}}}\b", r"\1…", detail)


def _said(found: Verification) -> str:
    of = f"of run {found.manifest.request.run_id}"
    if found.exit_code == EXIT_DIFFERENT:
        are = "is not as it was" if len(found.faults) == 1 else "are not as they were"
        what = _counted(found)
        return f"{what[0].upper()}{what[1:]} {of} {are} recorded."
    if found.only_stored:
        return _whole(found.stored, of)
    verified = sum(f.verdict.good for f in found.results)
    rest = "; the rest could not be compared" if found.exit_code else ""
    return f"{number(verified, 'result')} {of} came out the same{rest}."


def _counted(found: Verification) -> str:
    """The faults, each by what it is."""
    results = len(found.faults) - len(found.own)
    records = sum(f.output == RECORD for f in found.own)
    parts = [number(n, what) for n, what in ((results, "result"), (records, "record")) if n]
    return " and ".join([*parts, *(f"the {MANIFEST}" for f in found.own if f.task == MANIFEST)])


def _whole(findings: Sequence[Finding], of: str) -> str:
    expired = sum(f.verdict is Verdict.EXPIRED for f in findings)
    there = len(findings) - expired
    are = f"{'is' if there == 1 else 'are'} in the store with the content recorded"
    if expired:
        have = "has" if expired == 1 else "have"
        return f"{number(there, 'result')} {of} {are}; {expired} {have} expired, and can be made again."
    every = "The one result" if there == 1 else f"All {there} results"
    return f"{every} {of} {are}."


def _put_back(machine: Machine, named: Named, found: Verification) -> str:
    """What became of the lost records, or what puts them back; "" if none is lost."""
    if found.healed:
        return f"Put back {number(found.healed, 'record')} from the manifest."
    if not any(f.output == RECORD for f in found.own):
        return ""
    heals = f"`kadr verify {named.request.run_id} --stored --heal`"
    return f"To put back what the manifest holds: {heals}; {_same(machine, named)} does it as well."


def _heals(machine: Machine, named: Named, found: Verification) -> str:
    """What makes good what the store has lost; "" if it has lost nothing."""
    same = _same(machine, named)
    if any(f.verdict is Verdict.DAMAGED for f in found.lost):
        drops = f"`kadr verify {named.request.run_id} --stored --drop`"
        return (
            f"To heal it: {drops} removes what is damaged, and then {same} makes that again, and only that."
        )
    if found.dropped:
        return f"Removed {number(len(found.dropped), 'damaged result')}: {same} makes what is missing again."
    return f"To heal it: {same} makes what is missing again." if found.lost else ""


def _same(machine: Machine, named: Named, resuming: bool = False) -> str:
    """The command that asks the same again."""
    command = again.command_of(machine, named.request, named.path, resuming)
    return again.in_words(command, named.request.profile_name)
