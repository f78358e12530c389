"""One worker process for many callers: each hands in a task and waits for how it ended."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

from kadr.contracts.errors import WorkerDied
from kadr.pipeline.messages import Advanced, Finished, RenderSpec
from kadr.pipeline.spec import TaskSpec
from kadr.pipeline.workers import Flight, Host

TICK_S = 0.25
Progress = Callable[[float], None]
_Job = tuple[TaskSpec | RenderSpec, float, "Future[Finished]", Progress, str]
DROPPED = "Dropped"


class Worker:
    """Owns a :class:`Host`, which is not safe for threads, in a thread of its own."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._jobs: deque[_Job] = deque()
        self._drops: deque[str] = deque()
        self._unwanted: set[str] = set()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name=f"worker {host.name}", daemon=True)
        self._thread.start()

    def run(
        self,
        work: TaskSpec | RenderSpec,
        timeout_s: float,
        on_progress: Progress = lambda _: None,
        name: str = "",
    ) -> Finished:
        """Run ``work``; its failures, its process's death and its time running out come back as Finished.

        So does that it was dropped by its ``name``, as :data:`DROPPED`.
        """
        future: Future[Finished] = Future()
        self._jobs.append((work, timeout_s, future, on_progress, name))
        os.write(self._wake_write, b"!")
        return future.result()

    def drop(self, name: str) -> None:
        """Nobody waits for what runs under ``name`` any more: it is stopped as soon as nothing else is in its process."""
        self._drops.append(name)
        os.write(self._wake_write, b"!")

    @property
    def busy(self) -> int:
        return len(self._host.flights) + len(self._jobs)

    def stop(self) -> None:
        """End the process; what it has in hand is lost, and retryable."""
        self._stopping = True
        os.write(self._wake_write, b"!")
        self._thread.join()

    def _loop(self) -> None:
        while not self._stopping:
            while self._jobs:
                work, timeout_s, future, on_progress, name = self._jobs.popleft()
                try:
                    self._host.begin(work, (future, on_progress, name), timeout_s)
                except OSError as error:
                    self._end(future, _died(f"the {self._host.name} process cannot be started: {error}"))
            waited: list[Any] = [self._wake_read]
            if self._host.connection is not None:
                waited.append(self._host.connection)
            spoken = wait(waited, TICK_S)
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
            if self._host.connection is not None and self._host.connection in spoken:
                for flight, message in self._host.read():
                    self._heard(flight, message)
            for flight, message in self._host.overdue():
                self._heard(flight, message)
            self._stop_dropped()
        lost = [flight.tag[0] for flight in self._host.flights.values()] + [job[2] for job in self._jobs]
        self._host.stop()
        for future in lost:
            self._end(future, _died(f"the {self._host.name} process was stopped"))

    def _stop_dropped(self) -> None:
        """A process can be ended only as a whole: what else is in it comes to its end first."""
        while self._drops:
            self._unwanted.add(self._drops.popleft())
        present = {flight.tag[2] for flight in self._host.flights.values()}
        self._unwanted &= present
        if present and present == self._unwanted:
            for flight, _ in self._host.end():
                self._end(
                    flight.tag[0], Finished(ticket=0, code=DROPPED, message="nobody waits for it any more")
                )

    def _heard(self, flight: Flight, message: Finished | Advanced) -> None:
        future, on_progress, _ = flight.tag
        if isinstance(message, Advanced):
            on_progress(message.fraction)
        else:
            self._end(future, message)

    @staticmethod
    def _end(future: Future[Finished], how: Finished) -> None:
        if not future.done():
            future.set_result(how)


def _died(why: str) -> Finished:
    return Finished(ticket=0, code=WorkerDied.__name__, message=why, retryable=True)
