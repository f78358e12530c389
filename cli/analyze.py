"""``kadr analyze``: videos in, a report beside each; resumable, and never the same work twice."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click

from cli import outputs
from cli.compose import Machine, Question
from cli.options import Choice, profile_options
from cli.progress import Bars, JsonLines, Lines, View
from cli.sources import Video, resolve
from cli.summary import summarise
from kadr.contracts.errors import Interrupted, KadrError
from kadr.contracts.run import RunStatus
from kadr.pipeline.admission import Admitted, Asked, admit, identify
from kadr.pipeline.local import Coordinator
from kadr.pipeline.localrun import LocalRun

EXIT_PARTIAL, EXIT_FAILED = 3, 1


@dataclass
class Job:
    """One video on its way: what became of it is a run, or the error that kept it from being one."""

    video: Video
    out: Path
    admitted: Admitted | None = None
    run: LocalRun | None = None
    error: KadrError | None = None
    began: float = 0.0
    seconds: float = 0.0


@click.command("analyze")
@click.argument("videos", nargs=-1, required=True)
@profile_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the results; default: VIDEO.kadr beside it."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Cores to keep busy; default: all.")
@click.option("--refresh", is_flag=True, help="Compute everything again, whatever is stored.")
@click.option(
    "--json", "as_json", is_flag=True, help="One event a line on standard output instead of progress bars."
)
def command(
    videos: Sequence[str], choice: Choice, out: Path | None, jobs: int | None, refresh: bool, as_json: bool
) -> None:
    """Analyse VIDEOS: paths, globs or URLs (fetched by yt-dlp).

    Exit codes: 0 all complete, 3 some partial, 1 some failed or unreadable, 2 wrong usage, 130/143 stopped (resumable).
    """
    machine = Machine()
    profile = choice.profile()
    question = machine.question(profile)
    machine.require_weights(question)
    view: View = JsonLines() if as_json else Bars() if sys.stderr.isatty() else Lines()
    with view:
        found = resolve(videos, machine.settings.home / "downloads", view.note)
        jobs_list = [Job(v, outputs.folder(v, out, many=len(found) > 1)) for v in found]
        _work(machine, choice, question, jobs_list, jobs, refresh, view)
    summarise(machine.store, jobs_list, as_json)
    sys.exit(_exit_code(jobs_list))


def _work(
    machine: Machine,
    choice: Choice,
    question: Question,
    jobs: Sequence[Job],
    cores: int | None,
    refresh: bool,
    view: View,
) -> None:
    coordinator = machine.coordinator(view.event, view.note, cores)
    with _stoppable(coordinator):
        for job in jobs:
            _admit(machine, choice, question, job, refresh, view)
        open_jobs = [j for j in jobs if j.run is not None]
        coordinator.run([j.run for j in open_jobs if j.run is not None])
    for job in open_jobs:
        _deliver(machine, job)
        job.seconds = (job.run.ended if job.run else 0.0) - job.began


def _admit(machine: Machine, choice: Choice, question: Question, job: Job, refresh: bool, view: View) -> None:
    job.began = time.monotonic()
    try:
        outputs.check_writable(job.out)
        mine = choice.for_video(job.video, question, machine)
        video_id, source = identify(machine.store, job.video.path, lambda f: view.hashing(job.video.title, f))
        asked = Asked(job.video.path, mine.profile, mine.graph, mine.models, refresh, job.video.title)
        job.admitted = admit(machine.store, asked, video_id, source)
    except KadrError as error:
        job.error = error
        view.failed(job.video.title, error)
        return
    href = outputs.href(job.video.path, job.out)
    wanted = not (
        job.admitted.finished and outputs.current(machine.store, job.admitted.request, job.out, href)
    )
    job.run = LocalRun.of(job.admitted, href, wanted)
    view.begin(job.admitted, job.video.title, machine.catalogue)


def _deliver(machine: Machine, job: Job) -> None:
    assert job.run is not None
    if job.run.error is not None:
        error = job.run.error
        job.error = error if isinstance(error, KadrError) else KadrError(f"{type(error).__name__}: {error}")
    elif job.run.manifest is not None and job.run.files:
        try:
            outputs.deliver(machine.store, job.run.manifest, job.run.files, job.out, job.run.video_href)
        except KadrError as error:
            job.error = error


def _exit_code(jobs: Sequence[Job]) -> int:
    states = [j.run.manifest.status if j.run and j.run.manifest and not j.error else None for j in jobs]
    if any(s in (None, RunStatus.FAILED, RunStatus.CANCELLED) for s in states):
        return EXIT_FAILED
    return EXIT_PARTIAL if RunStatus.PARTIAL in states else 0


class _stoppable:
    """SIGINT and SIGTERM end the work between two looks at the hosts; what was recorded stays."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._before: dict[int, Any] = {}
        self._signal = 0

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)

    def _stop(self, number: int, _: FrameType | None) -> None:
        again, self._signal = self._signal, number
        if again or not self._coordinator.running:
            raise Interrupted
        self._coordinator.stopping = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, Interrupted):
            error.exit_code = 128 + self._signal
