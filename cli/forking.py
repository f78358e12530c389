"""Processes from the nursery (:mod:`cli.nursery`), as who asked for them sees them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from cli.servers.process import STOP_S, ServerFailed

PATIENCE_S = 30.0


class Nursery:
    """Forks processes that serve the WSGI application ``app``; started on first use and again after its death. Linux only."""

    def __init__(self, app: str, log: Path) -> None:
        self._app = app
        self._log = log
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None

    def fork(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Forked:
        """A process that runs ``command``, which is `python -m gunicorn …`. Raises ServerFailed."""
        wanted = {
            "name": name,
            "arguments": list(command[3:]),
            "log": str(log),
            "environment": dict(environment),
        }
        log.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(wanted).encode() + b"\n"
        with self._lock:
            try:
                return Forked(self._forked(line))
            except (OSError, ValueError) as error:
                raise ServerFailed(f"{name}: it cannot be forked, see {self._log}: {error}") from error
            except psutil.NoSuchProcess as error:
                raise ServerFailed(f"{name} ended at once, see {log} and {self._log}") from error

    def start(self) -> None:
        """Have it import what it needs; nobody waits for that."""
        with self._lock:
            if self._link is None:
                self._start()

    def _forked(self, line: bytes) -> int:
        with suppress(OSError, ValueError):
            return self._asked(line)
        self._end()  # it died since the last time: once more, by a new one
        return self._asked(line)

    def _asked(self, line: bytes) -> int:
        if self._link is None:
            self._start()
        assert self._link is not None
        self._link.sendall(line)
        answer = b""
        while not answer.endswith(b"\n"):
            if not (more := self._link.recv(64)):
                raise OSError("it hung up")
            answer += more
        return int(answer)

    def _start(self) -> None:
        near, far = socket.socketpair()
        near.settimeout(PATIENCE_S)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with far, self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "cli.nursery", self._app, str(far.fileno())],
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._link = near

    def stop(self) -> None:
        """End it; what it forked is asked to end."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(1.0)
            self._child.kill()
            self._child.wait()
            self._child = None


class Forked:
    """One process of the nursery's."""

    def __init__(self, pid: int) -> None:
        """Raises psutil.NoSuchProcess where it has ended already."""
        self.pid = pid
        self._process = psutil.Process(pid)

    @property
    def alive(self) -> bool:
        """Whether it runs; one that ended and that nobody buries does not."""
        with suppress(psutil.NoSuchProcess):
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        return False

    def stop(self, patience_s: float = STOP_S) -> None:
        """Ask it to end, wait, then kill it and whatever it started."""
        with suppress(psutil.NoSuchProcess):
            family = [self._process, *self._process.children(recursive=True)]
            self._process.terminate()
            with suppress(psutil.TimeoutExpired):
                self._process.wait(patience_s)
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
