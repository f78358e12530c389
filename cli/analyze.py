"""``kadr analyze``: videos in, a report beside each; resumable, and never the same work twice."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from cli import outputs
from cli.batch import Batch, Job
from cli.compose import Machine
from cli.options import Choice, given, profile_options
from cli.progress import Bars, JsonLines, Lines, OneAtATime
from cli.sources import resolve
from cli.summary import summarise
from kadr.contracts.run import RunStatus

EXIT_PARTIAL, EXIT_FAILED = 3, 1


@click.command("analyze")
@click.argument("videos", nargs=-1, required=True, callback=given)
@profile_options
@click.option("--out", callback=given, help="Folder for the results; default: VIDEO.kadr beside it.")
@click.option("--jobs", type=click.IntRange(min=1), help="Cores to keep busy; default: all.")
@click.option("--refresh", is_flag=True, help="Compute everything again, whatever is stored.")
@click.option(
    "--json", "as_json", is_flag=True, help="One event a line on standard output instead of progress bars."
)
def command(
    videos: Sequence[str], choice: Choice, out: str | None, jobs: int | None, refresh: bool, as_json: bool
) -> None:
    """Analyse VIDEOS: paths, globs or URLs (fetched by yt-dlp).

    Exit codes: 0 all complete, 3 some partial, 1 some failed or unreadable, 2 wrong usage, 130/143 stopped (resumable).
    """
    machine = Machine()
    profile = choice.profile()
    question = machine.question(profile)
    machine.require_weights(question)
    machine.check_store()
    view = OneAtATime(JsonLines() if as_json else Bars() if sys.stderr.isatty() else Lines())
    started = time.monotonic()
    with view:
        found = resolve(videos, machine.fetcher(profile, view.note))
        choice.check(found)
        places = outputs.folders(found, None if out is None else Path(out))
        batch = Batch(machine, choice, question, refresh, view, list(map(Job, found, places)))
        batch.work(jobs)
    summarise(batch.jobs, time.monotonic() - started, as_json)
    sys.exit(exit_code(batch.jobs))


def exit_code(jobs: Sequence[Job]) -> int:
    """0 all complete, EXIT_PARTIAL some partial, EXIT_FAILED some failed."""
    states = [j.run.manifest.status if j.run and j.run.manifest and not j.error else None for j in jobs]
    if any(s in (None, RunStatus.FAILED, RunStatus.CANCELLED) for s in states):
        return EXIT_FAILED
    return EXIT_PARTIAL if RunStatus.PARTIAL in states else 0
