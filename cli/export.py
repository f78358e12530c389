"""``kadr export``: what a run found, in formats that other programs read."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from cli import outputs
from cli.compose import Machine
from cli.runs import Named, find
from cli.show import Seen, next_step
from cli.text import printable
from cli.tracker import exactly
from exports.formats import FORMATS
from exports.source import Exported, Options, Source
from kadr.contracts.artifact import Artifact
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.run import RunStatus
from kadr.pipeline.admission import load_objects, runs_of
from kadr.pipeline.closing import manifest_of
from kadr.pipeline.render import StoredRun
from kadr.pipeline.state import evaluate
from kadr.storage.files import FileStore

MAJOR = "1."
"""Of the insights that the formats are made from."""
STEM_BYTES = 120
STANDARD_OUTPUT = "-"
TRACKS = list(dict.fromkeys(t for f in FORMATS.values() for t in f.tracks))
ABOUT = "\b\n" + "\n".join(f"{name:<11} {f.about}" for name, f in FORMATS.items())


@click.command("export", epilog=ABOUT)
@click.argument("run", required=False, metavar="[RUN|VIDEO]")
@click.option(
    "--format",
    "names",
    multiple=True,
    required=True,
    type=click.Choice(list(FORMATS)),
    help="May be repeated.",
)
@click.option(
    "--what",
    "what",
    multiple=True,
    type=click.Choice(TRACKS),
    help="Tracks of the formats that have several.",
)
@click.option("--out", metavar="PATH", help="A file, a folder, or - for standard output.")
@click.option(
    "--speakers/--no-speakers", default=None, help="Say who speaks in captions. [webvtt: yes, srt: no]"
)
@click.option(
    "--width",
    default=160,
    type=click.IntRange(16, 1024),
    help="Storyboard: pixels of a picture's width. [160]",
)
@click.option("--force", is_flag=True, help="Replace files that hold something else.")
def command(
    run: str | None,
    names: tuple[str, ...],
    what: tuple[str, ...],
    out: str | None,
    speakers: bool | None,
    width: int,
    force: bool,
) -> None:
    """Write what a run found in formats that other programs read.

    The run is named by its id or the beginning of it, by a VIDEO, a folder of results, or is the newest of all. A single file
    goes to standard output, several into the folder NAME.export, unless --out says otherwise.
    """
    wanted = list(dict.fromkeys(names))
    _check(wanted, what)
    machine = Machine()
    notes: list[str] = []
    source = _source(machine, find(machine.store, run), notes)
    notes += [*covers(source.found), *lacks(source.found)]
    made = [FORMATS[name].export(source, Options(what, speakers, width)) for name in wanted]
    notes += [note for exported in made for note in exported.notes]
    for note in dict.fromkeys(notes):
        click.echo(printable(f"note: {note}"), err=True)
    _hand_over(made, source.stem, out, force)


def _check(names: list[str], what: tuple[str, ...]) -> None:
    """Raises click.UsageError when a format that has tracks was asked for none of its own, or no format for one of them."""
    with_tracks = {n: FORMATS[n].tracks for n in names if FORMATS[n].tracks}
    unknown = [t for t in what if not any(t in tracks for tracks in with_tracks.values())]
    unasked = [n for n, tracks in with_tracks.items() if what and not {*tracks} & {*what}]
    if unknown:
        has = (
            "; ".join(f"{n} has {', '.join(tracks)}" for n, tracks in with_tracks.items())
            or "they have no tracks"
        )
        raise click.UsageError(f"--what {unknown[0]} is in none of the formats asked for: {has}")
    if unasked:
        raise click.UsageError(
            f"--what leaves {unasked[0]} empty: it has {', '.join(with_tracks[unasked[0]])}"
        )


def _source(machine: Machine, named: Named, notes: list[str]) -> Source:
    """The run as exports see it. Raises ObjectMissing for one without insights, InvalidObject."""
    store = machine.store
    seen, request = Seen.read(store, named), named.request
    files = named.files(store, seen.state)
    if seen.state.closed is None or "insights.json" not in files:
        missing = f"run {request.run_id} of {named.title} is {seen.status} and has no insights.json"
        raise ObjectMissing(
            "; ".join(filter(None, (missing, next_step(machine, seen), _instead(store, named))))
        )
    if seen.state.closed.status is RunStatus.FAILED:
        failed = f"run {request.run_id} of {named.title} failed, so there is nothing to export"
        raise ObjectMissing(f"{failed}; {_instead(store, named) or next_step(machine, seen)}")
    manifest = manifest_of(store, request, seen.state)
    stored = StoredRun(store, manifest, "", "")
    results = _Results(stored, notes)
    return Source(_insights(files["insights.json"]), results, _Files(files), stem(named.title))


def _instead(store: FileStore, named: Named) -> str:
    """Another run about the same video, the newest that ended and did not fail; "" if there is none."""
    asked = named.request
    for other in runs_of(store, asked.owner, asked.video_id or ""):
        closed = evaluate(other, load_objects(store, other)).closed
        if other.run_id != asked.run_id and closed is not None and closed.status is not RunStatus.FAILED:
            shown_here = outputs.run_shown(named.folder) == other.run_id
            what = shlex.join(["kadr", "export", str(named.folder) if shown_here else other.run_id])
            return f"the newest with results is {other.run_id} ({other.profile_name}): `{what}`"
    return ""


def _insights(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict) or not str(found["schema_version"]).startswith(MAJOR):
            raise InvalidObject(f"{path} is not of schema version {MAJOR}x, the one that can be exported")
    except (OSError, ValueError, KeyError) as error:
        raise InvalidObject(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    return found


def covers(insights: Mapping[str, Any]) -> list[str]:
    """A line for a run that was asked about a part of the video, or less than its profile asks."""
    asked = insights.get("asked") or {"whole": True, "narrowed": False}
    said = []
    if not asked["whole"]:
        start, end, whole = map(
            exactly, (asked["start_ms"], asked["end_ms"], insights["video"]["duration_ms"])
        )
        said.append(f"covers only {start}–{end} of {whole}")
    if asked["narrowed"]:
        said.append(f"looked only for {', '.join(asked['looked_for']) or 'what no profile looks for'}")
    return [f"the run {' and '.join(said)}"] if said else []


def lacks(insights: Mapping[str, Any]) -> list[str]:
    """What the report's page says first of a file that is damaged, or of a run that lacks something.

    Where components failed the page's first sentence is about them: the file's damage is told beside it.
    """
    problems = [s for s in insights["summary"] if s.get("kind") == "problem"]
    told = ["".join(phrase["text"] for phrase in s["phrases"]) for s in problems]
    if insights["status"] == RunStatus.COMPLETE:
        return told
    return [*told, *(m["reason"] for m in insights["missing"] if m["why"] == "damaged")]


@dataclass
class _Results:
    """Components' results; those that the store does not hold any more are told in ``notes``."""

    run: StoredRun
    notes: list[str]
    known: dict[str, Artifact | None] = field(default_factory=dict)

    def __call__(self, component: str) -> Artifact | None:
        if component not in self.known:
            try:
                self.known[component] = self.run.artifact(component)
            except (ObjectMissing, InvalidObject) as error:
                self.notes.append(f"the result of {component} is left out: {error}")
                self.known[component] = None
        return self.known[component]


@dataclass(frozen=True)
class _Files:
    paths: Mapping[str, Path]

    def __call__(self, name: str) -> bytes:
        """Raises ObjectMissing."""
        try:
            return self.paths[name].read_bytes()
        except (KeyError, OSError) as error:
            raise ObjectMissing(
                f"the run has no {name}: `kadr analyze` of the same video makes it"
            ) from error


def stem(source_name: str) -> str:
    """What the video is called in names of files: without its ending, its folder or its site, and safe everywhere."""
    path = urlsplit(source_name).path if source_name.startswith(("http://", "https://")) else source_name
    name = re.sub(r"[^\w .,()+@&=-]", "_", Path(path).stem).strip(" .-")
    return name.encode()[:STEM_BYTES].decode(errors="ignore").strip() or "video"


def _hand_over(made: list[Exported], name: str, out: str | None, force: bool) -> None:
    """To standard output, into one file, or into a folder; nothing is written if something there would be lost."""
    alone = made[0].alone if len(made) == 1 else None
    if alone is not None and out in (None, STANDARD_OUTPUT):
        sys.stdout.buffer.write(made[0].files[alone])
        sys.stdout.buffer.flush()
        return
    if out == STANDARD_OUTPUT:
        raise click.UsageError("several files do not fit on standard output: name a folder by --out")
    target = Path(out or f"{name}.export")
    if alone is not None and not (target.is_dir() or str(out).endswith("/")):
        files = {target: made[0].files[alone]}
    else:
        files = {target / f"{name}{end}": body for exported in made for end, body in exported.files.items()}
    outputs.hand_over(files, force, "--out")
    for path in (p for p in files if not outputs.is_stream(p)):
        click.echo(printable(str(path)))
