"""One file through the front door as `kadr analyze` sends it: planned, then read by the confined worker process, task by task."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.compose import Machine
from kadr.contracts.errors import NoSpaceLeft, ResourceExhausted, VideoUnreadable, WorkerDied
from kadr.contracts.profile import Profile
from kadr.contracts.run import Failure, Request, TaskState
from kadr.pipeline.admission import Asked, draft, reference
from kadr.pipeline.messages import Finished
from kadr.pipeline.recording import acquired
from kadr.pipeline.spec import SourceRef, spec_of
from kadr.pipeline.state import RunState, Task, evaluate
from kadr.pipeline.workers import Host, ready
from kadr.storage import layout

TASK_S = 60.0
"""A file of less than a second's work that takes longer hangs."""
MOST_MB = 2_000
"""Resident memory that no small file may take."""
MOST_STORED_MB = 256
CHUNKS = 2
"""How many of a file's chunks are decoded: the plan's first and last."""
READERS = ("probe", "decode", "pcm", "captions")

ACCEPTED, PARTLY, REFUSED, LIMIT, FAILURE = (
    "accepted",
    "accepted in part",
    "refused",
    "stopped by a limit",
    "FAILURE",
)
VERDICTS = (ACCEPTED, PARTLY, REFUSED, LIMIT, FAILURE)


@dataclass
class Outcome:
    """What became of one file. ``said``: of each task that failed, the code and the words."""

    verdict: str = ACCEPTED
    said: list[tuple[str, str, str]] = field(default_factory=list)
    seconds: float = 0.0
    peak_mb: float = 0.0
    stored_mb: float = 0.0

    @property
    def why(self) -> str:
        return "; ".join(f"{task}: {code}: {words}" for task, code, words in self.said)


class Door:
    """A media worker with a store of its own in ``folder``; it is started again after its death."""

    def __init__(self, folder: Path) -> None:
        self._store = folder / "store"
        self._store.mkdir(parents=True, exist_ok=True)
        self._host = Host(
            "media", [sys.executable, "-m", "cli.worker", "media", str(self._store), "1", "2"], self._note
        )
        profile = Profile(
            components=("shots", "quality", "loudness", "captions"), set={"probe": {"chunk_ms": 1000}}
        )
        self._question = Machine().question(profile)
        self.notes = list[str]()

    def _note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        """End the worker and remove its store."""
        self._host.stop()
        shutil.rmtree(self._store)

    def enter(self, path: Path) -> Outcome:
        """Have ``path`` probed, some of its chunks decoded, its sound and captions read."""
        outcome, began = Outcome(), time.monotonic()
        self._forget_peak()
        try:
            request, source = self._asked(path)
        except VideoUnreadable as error:
            return Outcome(REFUSED, [("admission", error.code, str(error).replace(str(path), "the file"))])
        objects: dict[str, Any] = {}
        record = acquired(request)
        objects[layout.record_ok(1, record.task, record.key, record.digest)] = record
        tried = set[str]()
        while tasks := [t for t in _ready(evaluate(request, objects)) if t.name not in tried]:
            state = evaluate(request, objects)
            for task in tasks:
                tried.add(task.name)
                self._run(request, state, task, source, objects, outcome)
        outcome.seconds = time.monotonic() - began
        outcome.peak_mb = max(outcome.peak_mb, self._peak_mb())
        outcome.stored_mb = self._stored_mb()
        self._clear()
        outcome.verdict, outcome.said = _judged(outcome)
        return outcome

    def _asked(self, path: Path) -> tuple[Request, SourceRef]:
        source, question = reference(path), self._question
        asked = Asked(path, question.profile, question.graph, question.models)
        return draft(asked, hashlib.sha256(path.read_bytes()).hexdigest(), source), source

    def _run(
        self,
        request: Request,
        state: RunState,
        task: Task,
        source: SourceRef,
        objects: dict[str, Any],
        outcome: Outcome,
    ) -> None:
        spec = spec_of(request, state, task, source, False)
        self._host.begin(spec, task.name, TASK_S)
        message = self._answer(outcome)
        if message.record is not None:
            objects[layout.record_ok(1, task.name, spec.key, message.record.digest)] = message.record
            return
        outcome.said.append((task.name, message.code, message.message))
        failure = Failure(task=task.name, key=spec.key, code=message.code, message=message.message)
        objects[layout.record_failed(1, task.name, spec.key)] = failure

    def _answer(self, outcome: Outcome) -> Finished:
        while True:
            for host in ready([self._host], 0.2):
                outcome.peak_mb = max(outcome.peak_mb, self._peak_mb())
                for _, message in host.read():
                    if isinstance(message, Finished):
                        return message
            for _, message in self._host.overdue():
                return message

    # -- what it took ------------------------------------------------------------------------------------------------

    def _forget_peak(self) -> None:
        if self._host.process is not None:
            with contextlib.suppress(OSError):
                Path(f"/proc/{self._host.process.pid}/clear_refs").write_text("5")

    def _peak_mb(self) -> float:
        if self._host.process is None:
            return 0.0
        try:
            status = Path(f"/proc/{self._host.process.pid}/status").read_text()
        except OSError:
            return 0.0
        peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
        return int(peak.split()[1]) / 1024

    def _stored_mb(self) -> float:
        return sum(p.stat().st_blocks * 512 for p in self._store.rglob("*") if p.is_file()) / 2**20

    def _clear(self) -> None:
        for name in ("results", "state", "videos"):
            shutil.rmtree(self._store / name, ignore_errors=True)


def _ready(state: RunState) -> list[Task]:
    """Readers of the file that are ready; of chunks the first and the last."""
    found = [t for t in state.tasks.values() if t.state is TaskState.READY and t.component in READERS]
    chunks = sorted(
        (t for t in state.of("decode") if t.chunk), key=lambda t: t.chunk.start_ms if t.chunk else 0
    )
    few = {t.name for t in (*chunks[:1], *chunks[-(CHUNKS - 1) :])}
    return [t for t in found if t.chunk is None or t.name in few]


def _judged(outcome: Outcome) -> tuple[str, list[tuple[str, str, str]]]:
    said = list(outcome.said)
    if outcome.peak_mb > MOST_MB:
        said.append(("all", "memory", f"{outcome.peak_mb:.0f} MB at its peak"))
    if outcome.stored_mb > MOST_STORED_MB:
        said.append(("all", "disk", f"{outcome.stored_mb:.0f} MB of results"))
    kinds = Counter(_kind(*one) for one in said)
    for verdict in (FAILURE, LIMIT):
        if kinds[verdict]:
            return verdict, said
    if any(task == "probe" for task, _, _ in said):
        return REFUSED, said
    return (PARTLY if said else ACCEPTED), said


def _kind(task: str, code: str, words: str) -> str:
    """What a task's failure is to the person who gave the file."""
    if code == VideoUnreadable.__name__ and words and "Traceback" not in words:
        return REFUSED
    if code == ResourceExhausted.__name__ and "out of memory" in words:
        return LIMIT
    if (code == WorkerDied.__name__ and "SIGXCPU" in words) or code == NoSpaceLeft.__name__:
        return LIMIT
    return FAILURE


def scratch() -> str | None:
    """Where stores are quickest: in memory, if there is room."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
