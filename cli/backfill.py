"""``kadr backfill``: what was analysed before, under another profile: planned first, then only what is missing."""

from __future__ import annotations

import fnmatch
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from cli import outputs
from cli.analyze import EXIT_FAILED, exit_code
from cli.batch import Batch, Job
from cli.compose import Machine, Question
from cli.measured import Costs
from cli.options import Choice, profile_options
from cli.plan import CREDIT_SECONDS, interval, plan_of
from cli.progress import Bars, JsonLines, Lines, OneAtATime, View
from cli.runs import requests
from cli.sources import Video, path_of, shown
from cli.tables import print_table
from cli.text import about, number, printable
from kadr.contracts.errors import KadrError, VideoChanged, VideoUnreadable
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Request
from kadr.pipeline.admission import load_objects
from kadr.pipeline.localrun import LocalRun
from kadr.pipeline.profiles import config_hash
from kadr.pipeline.state import evaluate

FIELDS = ("name", "path", "profile", "status")


@dataclass(frozen=True)
class Condition:
    """``field`` of the run before matches ``pattern``, as in a shell; or does not."""

    field: str
    pattern: str
    negated: bool

    def holds(self, facts: Mapping[str, str]) -> bool:
        return fnmatch.fnmatchcase(facts[self.field], self.pattern) is not self.negated


class Where(click.ParamType[Condition]):
    """``FIELD=PATTERN`` or ``FIELD!=PATTERN``."""

    name = "FIELD=PATTERN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        """The condition; fails with usage for a field that there is not."""
        name, found, pattern = str(value).partition("=")
        negated = name.endswith("!")
        name = name.removesuffix("!").strip()
        if not found or name not in FIELDS:
            self.fail(
                f"{value!r}: write FIELD=PATTERN or FIELD!=PATTERN, e.g. 'name=*.mp4'; fields are {', '.join(FIELDS)}",
                param,
                ctx,
            )
        return Condition(name, pattern, negated)


@dataclass
class Candidate:
    """A video with its newest run that asked something else, and what asking now would take."""

    video: Video
    before: Request
    question: Question
    plan: Mapping[str, Any] = field(default_factory=dict)
    error: KadrError | None = None


@click.command("backfill")
@profile_options
@click.option(
    "--where",
    "conditions",
    multiple=True,
    type=Where(),
    help=f"Only where the run before has it; {', '.join(FIELDS)}.",
)
@click.option("--dry-run", is_flag=True, help="Only the plan.")
@click.option("--switch", is_flag=True, help="Then show the new runs in the folders beside the videos.")
@click.option("--jobs", type=click.IntRange(min=1), help="Cores to keep busy; default: all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object or event a line.")
def command(
    choice: Choice,
    conditions: Sequence[Condition],
    dry_run: bool,
    switch: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Ask all videos analysed so far what --profile asks: first the plan and its cost, then only what is missing.

    Old and new stay side by side: new reports are kept in the store, `kadr diff VIDEO` compares, and --switch puts
    them where the old ones are shown (VIDEO.kadr). Stopped, it goes on when the same command is given again.

    Exit codes: those of `kadr analyze`; a video that is gone or cannot be read counts as failed.
    """
    machine = Machine()
    question = machine.question(choice.profile())
    machine.require_weights(question)
    found = list(_candidates(machine, choice, question, conditions))
    _say_plan(found, as_json)
    ready = [c for c in found if c.error is None]
    if dry_run or not ready:
        sys.exit(EXIT_FAILED if len(ready) < len(found) else 0)
    view: View = OneAtATime(JsonLines() if as_json else Bars() if sys.stderr.isatty() else Lines())
    work = [Job(c.video, _shown_in(machine, c) if switch else None) for c in ready]
    began = time.monotonic()
    with view:
        Batch(machine, choice, question, False, view, work).work(jobs)
    _say_outcome(ready, work, switch, time.monotonic() - began, as_json)
    sys.exit(EXIT_FAILED if len(ready) < len(found) else exit_code(work))


def _candidates(
    machine: Machine, choice: Choice, question: Question, conditions: Sequence[Condition]
) -> Iterator[Candidate]:
    """Every file whose video was once asked something else than ``question``, by its name."""
    runs: dict[str, list[Request]] = {}
    for request in requests(machine.store):
        runs.setdefault(request.source, []).append(request)
    costs = Costs.measured(machine.store)
    for of_file in sorted(runs.values(), key=lambda found: found[0].source_name):
        newest_first = sorted(of_file, key=lambda r: (r.created_ms, r.run_id), reverse=True)
        video_id = newest_first[0].video_id  # other bytes that the file once had are not asked about again
        path = path_of(newest_first[0].source)
        video = Video(path, shown(path.name), path.parent)
        mine = choice.for_video(video, question, machine, lambda _: None)
        asked = config_hash(mine.profile)
        same = (r for r in newest_first if r.video_id == video_id and r.config_hash != asked)
        before = next(same, None)
        if before is None or not all(c.holds(_facts(machine, before, path)) for c in conditions):
            continue
        candidate = Candidate(video, before, mine)
        try:
            candidate.plan = _plan(machine, candidate, costs)
        except KadrError as error:
            candidate.error = error
        yield candidate


def _plan(machine: Machine, candidate: Candidate, costs: Costs) -> dict[str, Any]:
    """Raises VideoChanged if the file is not what the run before looked at, and KadrErrors of the video."""
    plan = plan_of(machine, candidate.question, candidate.video, False, costs)
    if plan["video_id"] != candidate.before.video_id:
        raise VideoChanged(
            f"{candidate.video.path} is not the video of run {candidate.before.run_id} any more: its SHA-256 is "
            f"{plan['video_id']}, the run's {candidate.before.video_id}; analyse it anew by `kadr analyze`"
        )
    return plan


def _facts(machine: Machine, request: Request, path: Path) -> dict[str, str]:
    status = evaluate(request, load_objects(machine.store, request)).status.value
    return {"name": request.source_name, "path": str(path), "profile": request.profile_name, "status": status}


def _shown_in(machine: Machine, candidate: Candidate) -> Path | None:
    """The folder beside the video, if it shows a run of ours."""
    folder = outputs.folder(candidate.video, None, many=False)
    return folder if outputs.run_shown(folder) is not None else None


def _say_plan(found: Sequence[Candidate], as_json: bool) -> None:
    low, high = (sum(c.plan["seconds"][i] for c in found if c.plan) for i in (0, 1))
    credits = [round(s / CREDIT_SECONDS, 2) for s in (low, high)]
    if as_json:
        videos = [_planned(c) for c in found]
        said = {"event": "plan", "videos": videos, "seconds": [low, high], "credits": credits}
        print(json.dumps(said, ensure_ascii=False), flush=True)
        return
    if not found:
        print("Nothing to do: no video was analysed under another profile (or none matches).")
        return
    rows = []
    for c in found:
        verdicts = [r["verdict"] for r in c.plan.get("components", ())]
        counts = [verdicts.count(v) or "" for v in ("hit", "miss", "depends")]
        cost = "–".join(f"{s:g}" for s in dict.fromkeys(c.plan["seconds"])) if c.plan else ""
        rows.append((c.video.title, c.before.profile_name, c.plan.get("answer", _why_not(c)), *counts, cost))
    right = ("hit", "miss", "depends", "seconds")  # components
    print_table(("video", "was", "answer", *right), rows, right=right)
    for c in found:
        if c.error is not None:
            print(printable(f"left out: {about(c.video.title, str(c.error))}"))
    print(
        f"{number(len(found), 'video')}: {interval(low, high)} s of computing, {interval(*credits)} credits",
        flush=True,
    )


def _why_not(candidate: Candidate) -> str:
    if isinstance(candidate.error, VideoChanged):
        return "changed"
    try:
        candidate.video.path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    except OSError:
        return "unreadable"
    return "unreadable" if isinstance(candidate.error, VideoUnreadable) else "refused"


def _planned(candidate: Candidate) -> dict[str, Any]:
    error = {"error": str(candidate.error), "code": candidate.error.code} if candidate.error else {}
    return {"video": candidate.video.title, "before": candidate.before.run_id, **candidate.plan, **error}


def _say_outcome(
    ready: Sequence[Candidate], work: Sequence[Job], switch: bool, seconds: float, as_json: bool
) -> None:
    rows = [_outcome(c, j, switch) for c, j in zip(ready, work, strict=True)]
    if as_json:
        said = {"event": "summary", "videos": rows, "seconds": round(seconds, 2)}
        print(json.dumps(said, ensure_ascii=False), flush=True)
        return
    keys = ("video", "status", "computed", "before", "now", "shown_in")
    short = [
        {**r, "before": r["before"][:8], "now": (r["now"] or "")[:8], "shown_in": _near(r)} for r in rows
    ]
    print_table(
        ("video", "status", "computed", "before", "now", "shown in"), [[r[k] for k in keys] for r in short]
    )
    print("computed: components that made something anew, as the plan counts its misses.")
    for row in rows:
        if row["error"]:
            print(printable(f"{row['video']}: {row['error']}"))
    if not switch:
        print(
            "Compare by `kadr diff BEFORE NOW`; the same command with --switch shows the new runs beside the videos."
        )


def _outcome(candidate: Candidate, job: Job, switch: bool) -> dict[str, Any]:
    manifest = job.run.manifest if job.run is not None else None
    return {
        "video": job.video.title,
        "status": manifest.status.value if manifest and not job.error else "failed",
        "error": str(job.error) if job.error else "",
        "computed": _computed(job.run, manifest),
        "tasks": job.run.computed if job.run is not None else 0,
        "before": candidate.before.run_id,
        "now": manifest.request.run_id if manifest else None,
        "shown_in": str(job.out) if job.out is not None and os.path.isdir(job.out) else "",
    }


def _computed(run: LocalRun | None, manifest: Manifest | None) -> int:
    """Components that made something in this call; those of a run that was finished before made nothing in it."""
    if run is None or manifest is None or not run.computed:
        return 0
    return sum(component.computed > 0 for component in manifest.components.values())


def _near(row: Mapping[str, Any]) -> str:
    """The folder as it is named from here, where that is shorter."""
    shown_in = str(row["shown_in"])
    return min(shown_in, os.path.relpath(shown_in), key=len) if shown_in else ""
