"""``kadr plan``: what an analysis would find, compute and cost, before anything is spent."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from cli.compose import Machine, Question
from cli.measured import Costs
from cli.options import Choice, given, profile_options
from cli.preview import duration_ms
from cli.sources import Video, resolve
from cli.tables import console
from cli.text import about, number, printable
from cli.tracker import exactly
from kadr.contracts.errors import InvalidObject, InvalidProfile, KadrError, ObjectMissing
from kadr.contracts.profile import NormalProfile, part_asked
from kadr.pipeline.admission import Admitted, Asked, draft, find, identify, load_objects
from kadr.pipeline.plan import Played, Row, play, rounded, rows
from kadr.pipeline.spec import SourceRef
from kadr.storage import layout
from kadr.storage.files import FileStore
from kadr.storage.results import ResultId, read_header

CREDIT_SECONDS = 60
"""One credit is a minute of computing on one core of this machine."""


@click.command("plan")
@click.argument("videos", nargs=-1, required=True, callback=given)
@profile_options
@click.option("--refresh", is_flag=True, help="As if nothing were stored.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a video.")
def command(videos: Sequence[str], choice: Choice, refresh: bool, as_json: bool) -> None:
    """Say what `kadr analyze` with the same options would do to VIDEOS: hits, misses and why, seconds, credits."""
    machine = Machine()
    profile = choice.profile()
    question = machine.question(profile)
    machine.check_store()
    costs = Costs.measured(machine.store)
    failed = False
    found = resolve(videos, machine.fetcher(profile, _note))
    choice.check(found)
    for video in found:
        try:
            video.check()
            mine = choice.for_video(video, question, machine, _note)
            plan = plan_of(machine, mine, video, refresh, costs)
            _tell_late(video, mine, plan["duration_ms"])
        except KadrError as error:
            failed = True
            _note(about(video.title, str(error)))
            if as_json:
                print(json.dumps({"video": video.title, "error": str(error), "code": error.code}))
            continue
        print(json.dumps(plan, ensure_ascii=False)) if as_json else _print(plan)
    sys.exit(1 if failed else 0)


def _note(text: str) -> None:
    print(printable(text), file=sys.stderr)


def _tell_late(video: Video, question: Question, duration: int) -> None:
    """Of captions that were given or found, how many begin after the video's end."""
    if question.captions_file is None or question.captions_file.unread:
        return
    from kadr.media.cues import sidecar_cues

    cues = sidecar_cues(question.profile.components["captions"].params["sidecar"])
    if late := sum(c.start_ms >= duration for c in cues):
        said = f"{late} of {number(len(cues), 'caption')} in {question.captions_file.name}"
        _note(f"{video.title}: {said} begin after the video's end: left out")


def plan_of(
    machine: Machine, question: Question, video: Video, refresh: bool, costs: Costs
) -> dict[str, Any]:
    """What asking ``question`` about one video would find and cost, as plain data. Raises KadrErrors of the video."""
    video_id, source = identify(machine.store, video.path, lambda _: None)
    asked = Asked(
        video.path,
        question.profile,
        question.graph,
        question.models,
        refresh,
        video.title,
        question.captions_file,
    )
    answer = find(machine.store, asked, video_id, source)
    played = _played(machine.store, asked, video_id, source, answer)
    duration = _duration_ms(machine.store, played, video_id, video)
    start, end = _part(question.profile, duration)
    graph, wanted = played.state.graph, question.profile.hashed()["components"]
    each = costs.of(video_id, (start, end), graph, wanted, machine.catalogue)
    listed = rows(machine.store, machine.catalogue, played, end - start, each)
    if answer is not None and answer.finished:
        listed = [Row(r.component, r.stage, hits=r.hits or 1) for r in listed]
    low, high = sum(r.seconds_low for r in listed), sum(r.seconds_high for r in listed)
    return {
        "video": video.title,
        "video_id": video_id,
        "duration_ms": duration,
        "asked_ms": [start, end],
        "answer": answer.how if answer else "new",
        "run_id": answer.request.run_id if answer else None,
        "seconds": [rounded(low), rounded(high)],
        "credits": [round(s / CREDIT_SECONDS, 4 if s < 1 else 2) for s in (low, high)],
        "missing_models": machine.registry.missing(question.models),
        "components": [{**asdict(r), "verdict": r.verdict} for r in listed],
    }


def _played(
    store: FileStore, asked: Asked, video_id: str, source: SourceRef, answer: Admitted | None
) -> Played:
    """A run that would be resumed goes on from its own records, and refreshes if it did."""
    if answer is None or answer.how != "resumed":
        return play(store, draft(asked, video_id, source), source, asked.refresh)
    return play(store, answer.request, source, answer.refresh, load_objects(store, answer.request))


def _part(profile: NormalProfile, duration: int) -> tuple[int, int]:
    """[start_ms, end_ms) of what is asked. Raises InvalidProfile if that lies outside the video."""
    start, end = part_asked(profile.hashed(), duration)
    if duration and start == end:
        raise InvalidProfile(
            f"the part asked for begins at {exactly(profile.components['probe'].params['from_ms'])}, "
            f"but the video ends at {exactly(duration)}: choose an earlier --from"
        )
    return start, end


def _duration_ms(store: FileStore, played: Played, video_id: str, video: Video) -> int:
    """What a stored probe says; without one the video is opened. Raises VideoUnreadable."""
    task = played.state.tasks.get("probe")
    if task is not None and task.record is not None:
        result = task.record.result("probe")
        at = ResultId(layout.LOCAL_OWNER, video_id, "probe", result.key, result.digest)
        try:
            return int(read_header(store, at)["payload"]["duration_ms"])
        except (ObjectMissing, InvalidObject, KeyError, TypeError, ValueError):
            pass
    return duration_ms(video.path)


def _print(plan: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    to = console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("component", "", "tasks", "seconds", "why"):
        table.add_column(title, justify="right" if title in ("tasks", "seconds") else "left")
    colours = {"hit": "green", "miss": "yellow", "depends": "cyan"}
    for row in plan["components"]:
        verdict = row["verdict"]
        tasks = f"{row['misses']}/{row['hits'] + row['misses']}" if verdict != "depends" else "?"
        cells = (f"{row['stage']} {row['component']}", Text(verdict, colours[verdict]), tasks)
        table.add_row(
            *cells, interval(row["seconds_low"], row["seconds_high"]), Text(printable("; ".join(row["why"])))
        )
    to.print(Text(printable(plan["video"]), "bold"), Text(_length(plan), "dim"))
    to.print(table)
    to.print(Text(_said(plan)))


def _length(plan: dict[str, Any]) -> str:
    start, end = plan["asked_ms"]
    whole = f"{plan['duration_ms'] / 1000:.1f} s"
    part = f"{(end - start) / 1000:.1f} s ({exactly(start)}–{exactly(end)}) of "
    return whole if end - start == plan["duration_ms"] else part + whole


def _said(plan: dict[str, Any]) -> str:
    cost = f"{interval(*plan['seconds'])} s of computing, {interval(*plan['credits'])} credits"
    answers = {
        "finished": f"Run {plan['run_id']} answers already: nothing would be computed.",
        "resumed": f"Run {plan['run_id']} would be resumed: {cost}.",
        "retried": f"Run {plan['run_id']} would be tried again where it failed: {cost}.",
    }
    missing = plan["missing_models"]
    first = f"First: kadr models pull {' '.join(missing)}\n" if missing else ""
    return first + answers.get(plan["answer"], f"A new run: {cost}.")


def interval(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} … {high:g}"
