"""A server as a child process: started with a log of its own, waited for until it answers, ended by its process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from kadr.contracts.errors import KadrError

LOOPBACK = "127.0.0.1"
START_S = 60.0
STOP_S = 20.0
POLL_S = 0.05
TAIL = 2000


_LEASH = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execvp(sys.argv[1], sys.argv[1:])"
"""Asks Linux to end the process by SIGTERM when its parent is killed: what it leaves would hold its ports and its data."""


def leashed(command: Sequence[str]) -> list[str]:
    """``command`` as a process that does not outlive the thread that starts it, where the system can do that."""
    return [sys.executable, "-I", "-S", "-c", _LEASH, *command] if sys.platform == "linux" else [*command]


class ServerFailed(KadrError):
    """A server could not be started."""


class Process:
    """One child process and those that it starts; a context manager that ends them."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """``ready`` tells whether the server answers; what it raises means not yet. ``env`` is added to this process's."""
        self.name = name
        self.command = list(command)
        self.log = log
        self._ready = ready
        self._env = {**os.environ, **(env or {})}
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def listens(self, port: int) -> bool:
        """Whether it listens on ``port`` itself, or one that it started does: somebody else may answer there."""
        return any(
            at.status == psutil.CONN_LISTEN and at.laddr.port == port
            for process in self._family()
            for at in process.net_connections("tcp")
        )

    def start(self, patience_s: float = START_S) -> Self:
        """Start it and wait until it is ready. Raises ServerFailed with the end of its log."""
        self.launch()
        try:
            self._await(patience_s)
        except BaseException:
            self.stop()
            raise
        return self

    def launch(self) -> Self:
        """Start it without waiting. Raises ServerFailed."""
        if shutil.which(self.command[0], path=self._env.get("PATH")) is None:
            raise ServerFailed(f"{self.name}: there is no program {self.command[0]}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            try:
                # A session of its own: Ctrl-C reaches us alone, and we end the servers in their order.
                self._child = subprocess.Popen(
                    leashed(self.command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    cwd=self._cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise ServerFailed(f"{self.name}: {self.command[0]}: {error.strerror}") from error
        return self

    def _await(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if not self.alive:
                code = self._child.returncode if self._child else None
                raise ServerFailed(f"{self.name} ended at once (exit code {code}): {self.tail()}")
            with suppress(Exception):
                if self._ready():
                    return
            time.sleep(POLL_S)
        raise ServerFailed(f"{self.name} did not answer within {patience_s:.0f} s: {self.tail()}")

    def tail(self) -> str:
        """The end of its log."""
        try:
            return self.log.read_text(errors="replace")[-TAIL:].strip() or f"{self.log} is empty"
        except OSError:
            return f"{self.log} cannot be read"

    def stop(self, patience_s: float = STOP_S, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, wait, then kill it and whatever it started."""
        if self._child is None:
            return
        family = self._family()
        if self.alive:
            self._child.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(patience_s)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._child.wait()

    def _family(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            if self._child is not None and self.alive:
                own = psutil.Process(self._child.pid)
                return [own, *own.children(recursive=True)]
        return []

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens on loopback."""
    with socket.create_connection((LOOPBACK, port), timeout=1):
        return True


def beside_python(name: str) -> Path | None:
    """A program that came with a Python package, if it is installed in this environment."""
    path = Path(sys.executable).parent / name
    return path if path.is_file() else None


def gunicorn(app: str, bind: str | Sequence[str], threads: int, timeout_s: int, graceful_s: int) -> list[str]:
    """The command that serves the WSGI application ``app`` at ``bind``, one address or several, by one worker of ``threads`` threads.

    It logs JSON.

    ``timeout_s``: how long the worker may be silent (0: for ever); ``graceful_s``: how long requests may end after SIGTERM.
    """
    options = {
        "worker-class": "gthread",
        "workers": 1,
        "threads": threads,
        "timeout": timeout_s,
        "graceful-timeout": graceful_s,
        "log-level": "warning",
        "logger-class": "cli.servers.gunicorn_logs.JsonLogger",
    }
    binds = [bind] if isinstance(bind, str) else bind
    said = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    said += [part for one in binds for part in ("--bind", one)]
    return [sys.executable, "-m", "gunicorn", *said, "--no-control-socket", app]
