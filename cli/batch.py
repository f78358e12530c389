"""The videos of one call on their way: admitted one ahead, analysed, and their files delivered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from cli import outputs
from cli.compose import Machine, Question
from cli.crash import unforeseen
from cli.holding import hold
from cli.options import Choice
from cli.preview import check_sound
from cli.progress import View
from cli.sources import Video
from cli.stopping import Stoppable
from kadr.contracts.errors import Interrupted, KadrError
from kadr.contracts.run import CaptionsFile, Request
from kadr.pipeline.admission import Admitted, Asked, admit, identify
from kadr.pipeline.arriving import Arriving
from kadr.pipeline.local import Coordinator, Event
from kadr.pipeline.localrun import LocalRun
from kadr.pipeline.profiles import config_hash
from kadr.pipeline.spec import SourceRef
from kadr.storage import layout
from kadr.storage.claims import Claim

TWIN_WAIT_S = 0.1


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


@dataclass
class Twin:
    """A job of the same video and question as ``of``, and its own file."""

    job: Job
    of: Job
    source: SourceRef
    begun: bool = False


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
    holders: Counter[str] = field(default_factory=Counter)
    """By run: its names that are not done with it."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    first: dict[tuple[str, str, CaptionsFile | None], Job] = field(default_factory=dict)
    """By video and question: the job whose run answers the others too."""
    twins: list[Twin] = field(default_factory=list)
    """Jobs that come last: what answers them is being made already."""

    def work(self, cores: int | None) -> None:
        """Bring every job to its end. Raises Interrupted; any other trouble is its own job's."""
        coordinator = self.machine.coordinator(self._event, self.view.note, cores)
        try:
            with Stoppable(coordinator):
                coordinator.run(Arriving(self._arriving(coordinator)))
        finally:
            for claim in self.claims.values():
                claim.release()
        for job in self.jobs:
            if job.run is not None:
                job.error = job.error or _error_of(job.run)
                job.seconds += job.run.ended - (job.began or job.run.ended)

    def _arriving(self, coordinator: Coordinator) -> Iterator[Callable[[], LocalRun | None]]:
        """Each of these runs in a thread of the coordinator's: large files are read while those before them are analysed."""
        for place in range(len(self.jobs)):
            yield partial(self._ready, place, coordinator)
        for twin in self.twins:
            yield partial(self._ready_again, twin, coordinator)

    def _ready(self, place: int, coordinator: Coordinator) -> LocalRun | None:
        """Admit a job; None if that failed, or if the run of another answers it."""
        job, began = self.jobs[place], time.monotonic()
        self._expect(place)

        def reading(fraction: float) -> None:
            if coordinator.stopping:
                raise Interrupted
            self.view.hashing(job.video.title, fraction)

        with self._told(job):
            job.run = self._admitted(job, reading)
        self._expect(place + 1)
        job.seconds = time.monotonic() - began
        return job.run

    def _ready_again(self, twin: Twin, coordinator: Coordinator) -> LocalRun | None:
        """A run that has just answered another name of the video is shown under this one: nothing is tried or computed again."""
        job, first = twin.job, twin.of.run
        assert first is not None
        while not first.finished:
            if coordinator.stopping:
                raise Interrupted
            time.sleep(TWIN_WAIT_S)
        with self._told(job):
            if first.manifest is None:
                raise _error_of(first) or KadrError(
                    f"{twin.of.video.title}, the same video, was not finished"
                )
            job.admitted = Admitted(first.request, twin.source, "finished", True, False)
            job.run = self._begun(job, job.admitted)
        twin.begun = True
        self._expect(len(self.jobs))
        return job.run

    @contextmanager
    def _told(self, job: Job) -> Iterator[None]:
        """Trouble is the job's own, unless it is the person's wish, or that nobody listens any more."""
        try:
            yield
        except (Interrupted, BrokenPipeError):
            raise
        except Exception as error:
            job.error = error if isinstance(error, KadrError) else unforeseen(error)
            self.view.failed(job.video.title, job.error)

    @cached_property
    def _sizes(self) -> list[int]:
        return [_size(job.video.path) for job in self.jobs]

    def _where_is(self, run_id: str, request: Request) -> str:
        kept = self.machine.store.exists(layout.request(request.owner, run_id))
        return f"; the one before is kept: kadr show {run_id}" if kept else ""

    def _expect(self, place: int) -> None:
        twins = sum(not twin.begun for twin in self.twins)
        self.view.expect(len(self.jobs), len(self._sizes) - place + twins, sum(self._sizes[place:]))

    def _admitted(self, job: Job, reading: Callable[[float], None]) -> LocalRun | None:
        video, machine = job.video, self.machine
        video.check()
        video_id, source = identify(machine.store, video.path, reading)
        mine = self.choice.for_video(video, self.question, machine, self.view.note)
        check_sound(video.path, mine.profile)
        if job.out is not None:
            outputs.check_writable(job.out)
            outputs.check_own(job.out)
        question = video_id, config_hash(mine.profile), mine.captions_file
        if (same := self.first.get(question)) is not None and self._still_there(same):
            self.twins.append(Twin(job, same, source))
            self.view.note(f"{video.title}: the same video as {same.video.title}")
            return None
        asked = Asked(
            video.path, mine.profile, mine.graph, mine.models, self.refresh, video.title, mine.captions_file
        )
        run = self._begun(job, self._kept(job, asked, video_id, source))
        self.first[question] = job
        return run

    def _still_there(self, job: Job) -> bool:
        """Whether the job's run is (held from now on), or was collected as garbage since it ended."""
        assert job.admitted is not None
        request = job.admitted.request
        self._hold(request.run_id)
        if self.machine.store.exists(layout.request(request.owner, request.run_id)):
            return True
        self._let_go(request.run_id)
        return False

    def _begun(self, job: Job, admitted: Admitted) -> LocalRun:
        shown_in = job.out or outputs.kept_in(self.machine.store, admitted.request)
        href = outputs.href(job.video.path, shown_in)
        drawer = outputs.drawer(self.machine.catalogue)
        there = admitted.finished and outputs.current(
            self.machine.store, admitted.request, job.out, href, drawer
        )
        self.view.begin(admitted, job.video.title, self.machine.catalogue)
        return LocalRun.of(admitted, href, wants_report=not there, title=job.video.title)

    def _kept(self, job: Job, asked: Asked, video_id: str, source: SourceRef) -> Admitted:
        """The run that answers, held from now to its end; one that was collected as garbage meanwhile is asked for anew."""
        while True:
            job.admitted = admit(self.machine.store, asked, video_id, source)
            if self._still_there(job):
                return job.admitted

    def _event(self, event: Event) -> None:
        """What is done is delivered before it is told."""
        run_id = event["run_id"]
        for job in self.jobs:
            if job.run is not None and job.run.request.run_id == run_id:
                job.began = job.began or time.monotonic()
                if event["event"] == "run.done" and job.run.finished:
                    self._deliver(job, job.run)
        self.view.event(event)
        if event["event"] in ("run.done", "run.error"):
            self._let_go(run_id)

    def _hold(self, run_id: str) -> None:
        """Until as many let it go as hold it."""
        with self.lock:
            self.holders[run_id] += 1
            if run_id not in self.claims and (claim := hold(self.machine.store, run_id)):
                self.claims[run_id] = claim

    def _let_go(self, run_id: str) -> None:
        with self.lock:
            self.holders[run_id] -= 1
            if self.holders[run_id] <= 0 and (claim := self.claims.pop(run_id, None)):
                claim.release()

    def _deliver(self, job: Job, run: LocalRun) -> None:
        if job.out is None and run.manifest is not None:
            job.out = outputs.kept_in(self.machine.store, run.request, run.manifest.digest)
            job.delivered = True
        if job.out is None or run.manifest is None or not run.files or job.delivered or job.error:
            return
        try:
            job.out = outputs.place(job.out, run.manifest)
            before = outputs.run_shown(job.out)
            drawer = outputs.drawer(self.machine.catalogue)
            outputs.deliver(self.machine.store, run.manifest, run.files, job.out, run.video_href, drawer)
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
