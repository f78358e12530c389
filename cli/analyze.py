"""``kadr analyze``: videos in, a report beside each; resumable, and never the same work twice."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import click

from cli import outputs
from cli.compose import Machine, Question
from cli.crash import unforeseen
from cli.holding import hold
from cli.options import Choice, given, profile_options
from cli.progress import Bars, JsonLines, Lines, OneAtATime, View
from cli.sources import Video, resolve
from cli.stopping import Stoppable
from cli.summary import summarise
from kadr.contracts.errors import Interrupted, KadrError
from kadr.contracts.run import Request, RunStatus
from kadr.pipeline.admission import Admitted, Asked, admit, identify
from kadr.pipeline.arriving import Arriving
from kadr.pipeline.local import Coordinator, Event
from kadr.pipeline.localrun import LocalRun
from kadr.pipeline.spec import SourceRef
from kadr.storage import layout
from kadr.storage.claims import Claim

EXIT_PARTIAL, EXIT_FAILED = 3, 1


@dataclass
class Job:
    """One video on its way: what became of it is a run, or the error that kept it from being one.

    ``out``: where its files go; None leaves them in the store (and becomes their place there).
    """

    video: Video
    out: Path | None
    admitted: Admitted | None = None
    run: LocalRun | None = None
    error: KadrError | None = None
    delivered: bool = False
    began: float = 0.0
    """On the monotonic clock, when the first was heard of the run; others may have been at work before."""
    seconds: float = 0.0
    """Spent on it, on the wall clock: the time in which it waited for others is not in it."""


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


@dataclass(frozen=True)
class Batch:
    """The videos of one call, and what is asked of each."""

    machine: Machine
    choice: Choice
    question: Question
    refresh: bool
    view: View
    jobs: Sequence[Job]
    claims: dict[str, Claim] = field(default_factory=dict)
    """By run: of those at work now or next, which are few however long the batch; each is an open file."""

    def work(self, cores: int | None) -> None:
        """Bring every job to its end. Raises Interrupted; any other trouble is its own job's."""
        coordinator = self.machine.coordinator(self._event, self.view.note, cores)
        try:
            with Stoppable(coordinator):
                coordinator.run(Arriving(partial(self._ready, i, coordinator) for i in range(len(self.jobs))))
        finally:
            for run_id in list(self.claims):
                self._let_go(run_id)
        for job in self.jobs:
            if job.run is not None:
                job.error = job.error or _error_of(job.run)
                job.seconds += job.run.ended - (job.began or job.run.ended)

    def _ready(self, place: int, coordinator: Coordinator) -> LocalRun | None:
        """Admit a job, in a thread of the coordinator's: large files are read while those before them are analysed."""
        job, began = self.jobs[place], time.monotonic()
        self._expect(place)

        def reading(fraction: float) -> None:
            if coordinator.stopping:
                raise Interrupted
            self.view.hashing(job.video.title, fraction)

        try:
            job.run = self._admitted(job, reading)
        except Interrupted:
            raise
        except Exception as error:
            job.error = error if isinstance(error, KadrError) else unforeseen(error)
            self.view.failed(job.video.title, job.error)
        self._expect(place + 1)
        job.seconds = time.monotonic() - began
        return job.run

    @cached_property
    def _sizes(self) -> list[int]:
        return [_size(job.video.path) for job in self.jobs]

    def _where_is(self, run_id: str, request: Request) -> str:
        kept = self.machine.store.exists(layout.request(request.owner, run_id))
        return f"; the one before is kept: kadr show {run_id}" if kept else ""

    def _expect(self, place: int) -> None:
        self.view.expect(len(self.jobs), len(self._sizes) - place, sum(self._sizes[place:]))

    def _admitted(self, job: Job, reading: Callable[[float], None]) -> LocalRun:
        video, machine = job.video, self.machine
        video.check()
        video_id, source = identify(machine.store, video.path, reading)
        mine = self.choice.for_video(video, self.question, machine, self.view.note)
        if job.out is not None:
            outputs.check_writable(job.out)
            outputs.check_own(job.out)
        asked = Asked(video.path, mine.profile, mine.graph, mine.models, self.refresh, video.title)
        job.admitted = self._kept(asked, video_id, source)
        shown_in = job.out or outputs.kept_in(machine.store, job.admitted.request)
        href = outputs.href(video.path, shown_in)
        there = job.admitted.finished and outputs.current(machine.store, job.admitted.request, job.out, href)
        self.view.begin(job.admitted, video.title, machine.catalogue)
        return LocalRun.of(job.admitted, href, wants_report=not there, title=video.title)

    def _kept(self, asked: Asked, video_id: str, source: SourceRef) -> Admitted:
        """The run that answers, held from now to its end; one that was collected as garbage meanwhile is asked for anew."""
        while True:
            admitted = admit(self.machine.store, asked, video_id, source)
            request = admitted.request
            self._hold(request.run_id)
            if self.machine.store.exists(layout.request(request.owner, request.run_id)):
                return admitted
            self._let_go(request.run_id)

    def _event(self, event: Event) -> None:
        """What is done is delivered before it is told."""
        run_id = event["run_id"]
        ended = event["event"] in ("run.done", "run.error")
        if not ended:
            self._hold(run_id)  # two names of one video are one run: the first to end lets it go
        for job in self.jobs:
            if job.run is not None and job.run.request.run_id == run_id:
                job.began = job.began or time.monotonic()
                if event["event"] == "run.done":
                    self._deliver(job, job.run)
        self.view.event(event)
        if ended:
            self._let_go(run_id)

    def _hold(self, run_id: str) -> None:
        if run_id not in self.claims and (claim := hold(self.machine.store, run_id)):
            self.claims[run_id] = claim

    def _let_go(self, run_id: str) -> None:
        if claim := self.claims.pop(run_id, None):
            claim.release()

    def _deliver(self, job: Job, run: LocalRun) -> None:
        if job.out is None and run.manifest is not None:
            job.out = outputs.kept_in(self.machine.store, run.request, run.manifest.digest)
            job.delivered = True
        if job.out is None or run.manifest is None or not run.files or job.delivered:
            return
        try:
            job.out = outputs.place(job.out, run.manifest)
            before = outputs.run_shown(job.out)
            outputs.deliver(self.machine.store, run.manifest, run.files, job.out, run.video_href)
            job.delivered = True
            if before is not None and before != run.request.run_id:
                self.view.note(
                    f"{job.video.title}: {job.out} shows this run now{self._where_is(before, run.request)}"
                )
        except Interrupted:
            raise
        except KadrError as error:
            job.error = error
            self.view.failed(job.video.title, error)


def _size(path: Path) -> int:
    """Of what cannot be read, nothing: its own job says so."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _error_of(run: LocalRun) -> KadrError | None:
    error = run.error
    return (
        error
        if error is None or isinstance(error, KadrError)
        else KadrError(f"{type(error).__name__}: {error}")
    )


def exit_code(jobs: Sequence[Job]) -> int:
    """0 all complete, EXIT_PARTIAL some partial, EXIT_FAILED some failed."""
    states = [j.run.manifest.status if j.run and j.run.manifest and not j.error else None for j in jobs]
    if any(s in (None, RunStatus.FAILED, RunStatus.CANCELLED) for s in states):
        return EXIT_FAILED
    return EXIT_PARTIAL if RunStatus.PARTIAL in states else 0
