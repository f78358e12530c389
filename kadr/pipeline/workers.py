"""The coordinator's side of its worker hosts: starting them, handing out work, noticing their death."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import IO, Any

from kadr.contracts.errors import ResourceExhausted, WorkerDied
from kadr.pipeline.messages import MAX_BYTES, Advanced, Begin, Finished, Noted, RenderSpec, decode
from kadr.pipeline.spec import TaskSpec
from kadr.settings import without_secrets

LEAVE_S = 3.0
_TICKETS = itertools.count(1)


@dataclass
class Flight:
    """Work that a host has in hand."""

    ticket: int
    work: TaskSpec | RenderSpec
    tag: Any
    began: float
    timeout_s: float


@dataclass
class Host:
    """One child process and what it has in hand. It is started on first use and again after its death."""

    name: str
    command: Sequence[str]
    on_note: Callable[[str], None] = lambda _: None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to what the process inherits, which is no secret."""
    relay: Callable[[Connection], None] | None = None
    """Answers the process's calls to the store, over a socket of its own, where it may not reach the store itself."""
    process: subprocess.Popen[bytes] | None = None
    connection: Connection | None = None
    said: IO[bytes] | None = None
    """What the process writes to standard output and error: shown when it dies, not before."""
    flights: dict[int, Flight] = field(default_factory=dict)

    def begin(self, work: TaskSpec | RenderSpec, tag: Any, timeout_s: float) -> None:
        """Hand ``work`` over; ``tag`` comes back with its outcome."""
        if self.connection is None:
            self._start()
        assert self.connection is not None
        ticket = next(_TICKETS)
        self.flights[ticket] = Flight(ticket, work, tag, time.monotonic(), timeout_s)
        # A host that died meanwhile is noticed when its connection is read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(Begin(ticket, work))

    def _start(self) -> None:
        pairs = [socket.socketpair() for _ in range(1 if self.relay is None else 2)]
        handles = [theirs.fileno() for _, theirs in pairs]
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            [*self.command, *map(str, handles)],
            pass_fds=handles,
            stdin=subprocess.DEVNULL,
            stdout=self.said,
            stderr=self.said,
            start_new_session=True,
            env={**without_secrets(os.environ), **self.environment},
        )
        ours = []
        for near, far in pairs:
            far.close()
            ours.append(Connection(near.detach()))
        self.connection = ours[0]
        if self.relay is not None:
            self.relay(ours[1])

    def read(self) -> Iterator[tuple[Flight, Finished | Advanced]]:
        """What the host has said since; its death is a failure of each thing it had in hand."""
        assert self.connection is not None
        try:
            while self.connection.poll():
                message = decode(self.connection.recv_bytes(MAX_BYTES))
                if isinstance(message, Noted):
                    self.on_note(message.text)
                    continue
                flight = self.flights.get(message.ticket)
                if isinstance(message, Finished):
                    self.flights.pop(message.ticket, None)
                if flight is not None:
                    yield flight, message
        except (EOFError, OSError):
            yield from self._bury()
        except ValueError as error:
            yield from self._bury(f"said what no worker says and was ended ({str(error)[:100]})")

    def _bury(self, verdict: str = "") -> Iterator[tuple[Flight, Finished]]:
        """The host is gone, or is sent away: what it had in hand failed and may be tried again."""
        self._leave(LEAVE_S if not verdict else 0)
        how = self._reap()
        how = verdict or how
        lost, self.flights = list(self.flights.values()), {}
        for flight in lost:
            death = WorkerDied(f"the {self.name} process {how} while {_named(flight.work)} ran")
            yield flight, Finished(ticket=flight.ticket, code=death.code, message=str(death), retryable=True)

    def _reap(self) -> str:
        if self.process is None:
            return "ended"
        code = self.process.wait()
        self.process = None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        words = self._last_words()
        return f"{how} ({words})" if words else how

    def _last_words(self) -> str:
        if self.said is None:
            return ""
        self.said.seek(max(0, self.said.seek(0, os.SEEK_END) - 2000))
        text = self.said.read().decode(errors="replace").strip()
        self.said.close()
        self.said = None
        return text.rpartition("\n")[2][:300]

    def overdue(self) -> Iterator[tuple[Flight, Finished]]:
        """Kill the host if something in it ran past its limit: that work failed, the rest died with the host."""
        now = time.monotonic()
        late = [f for f in self.flights.values() if now - f.began > f.timeout_s]
        if not late:
            return
        for flight in late:
            del self.flights[flight.ticket]
        self.kill()
        for flight in late:
            limit = ResourceExhausted(f"{_named(flight.work)} did not finish within {flight.timeout_s:.0f} s")
            yield flight, Finished(ticket=flight.ticket, code=limit.code, message=str(limit), retryable=True)
        yield from self._bury()

    def end(self) -> Iterator[tuple[Flight, Finished]]:
        """Kill the process, with all that it has in hand."""
        self.kill()
        yield from self._bury()

    def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the host: an idle one leaves by itself when its connection closes, a busy one is killed."""
        if self.process is None:
            return
        self._leave(0 if self.flights else LEAVE_S)
        self.flights.clear()
        self._reap()

    def _leave(self, within_s: float) -> None:
        """Close the connection, which ends an honest host, and kill it if it is still there after ``within_s``."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self.process is None:
            return
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()


def ready(hosts: Sequence[Host], timeout_s: float) -> list[Host]:
    """Hosts with something to say, waiting at most ``timeout_s`` for the first."""
    by_connection = {h.connection: h for h in hosts if h.connection is not None}
    if not by_connection:
        time.sleep(timeout_s)
        return []
    return [by_connection[c] for c in wait(list(by_connection), timeout_s) if isinstance(c, Connection)]


def _named(work: TaskSpec | RenderSpec) -> str:
    return work.task if isinstance(work, TaskSpec) else work.component
