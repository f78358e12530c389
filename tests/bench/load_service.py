"""A service under load, for the parts of load.py: `kadr up` as people start it, videos of many owners, its logs as what was seen."""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from minio import Minio

from tests.integration.service.conftest import Up
from tests.media_files import write_video

KINDS = {
    "cli.control": "control (router, dispatcher, pumps)",
    "cli.web": "API and ingest",
    "cli.function": "functions",
    "cli.worker": "workers",
    "valkey-server": "Valkey",
    "juicefs": "object store",
    "minio": "object store",
    "postgres": "PostgreSQL",
}
PROFILE = 'name = "cheap"\ncomponents = ["probe"]\n'
SENDERS = 4


@dataclass(frozen=True)
class Video:
    """What one run is about: nobody has seen its bytes before."""

    owner: str
    name: str
    seconds: float

    @property
    def key(self) -> str:
        return f"inbox/{self.owner}/{self.name}"


@dataclass(frozen=True)
class Line:
    """One line of a log; ``at`` in seconds of the epoch."""

    at: float
    logger: str
    message: str
    said: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.said.get(name, "")


class Cheap(Up):
    """Its default profile computes next to nothing: what is in the file."""

    @property
    def environment(self) -> dict[str, str]:
        path = self.home / "cheap.toml"
        path.write_text(PROFILE)
        return {**super().environment, "KADR_DEFAULT_PROFILE": str(path)}


class LoadedService:
    """One service, what is dropped into it, and what it says."""

    def __init__(self, home: Path) -> None:
        self.up = Cheap(home)
        self._bytes: dict[float, bytes] = {}

    def drop(self, videos: list[Video]) -> float:
        """Into the inboxes, in this order; seconds that it took. A few senders: the store's answer is waited for."""
        began = time.monotonic()
        clients = [self.up.minio() for _ in range(SENDERS)]
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(self.put, itertools.cycle(clients), videos))
        return time.monotonic() - began

    def put(self, client: Minio, video: Video) -> float:
        """When its PUT was answered."""
        body = self._sound(video.seconds) + os.urandom(16)
        client.put_object("kadr", video.key, io.BytesIO(body), len(body))
        return time.time()

    def _sound(self, seconds: float) -> bytes:
        if seconds not in self._bytes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "sound.mp4"
                write_video(path, tone_s=seconds)
                self._bytes[seconds] = path.read_bytes()
        return self._bytes[seconds]

    def lines(self, *names: str) -> list[Line]:
        """What ``names`` logged ("control", "web", a function's name; all without one), oldest first."""
        found = []
        for path in (self.up.home / "service/logs").glob("*.log"):
            if not names or path.stem in names:
                found += list(_lines(path))
        return sorted(found, key=lambda line: line.at)

    def memory_mb(self) -> dict[str, float]:
        """By kind of process, PSS: what processes share counts once."""
        assert self.up.process is not None
        found: dict[str, float] = {}
        for process in psutil.Process(self.up.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if kind := _kind(process):
                    found[kind] = found.get(kind, 0.0) + process.memory_full_info().pss / 2**20
        return found

    def cpu_s(self) -> dict[str, float]:
        """By kind of process, of those that run now and what they waited for."""
        assert self.up.process is not None
        found: dict[str, float] = {}
        for process in psutil.Process(self.up.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if kind := _kind(process):
                    times = process.cpu_times()
                    found[kind] = found.get(kind, 0.0) + times.user + times.system
        return found


def _kind(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    if "cli.nursery" in words and not process.name().startswith("kadr "):
        return "nursery"  # and not what it forked
    return next((kind for word, kind in KINDS.items() if word in words), "")


def _lines(path: Path) -> Iterator[Line]:
    for text in path.read_text(errors="replace").splitlines():
        with suppress(ValueError, KeyError):
            said = json.loads(text)
            yield Line(
                datetime.fromisoformat(said["time"]).timestamp(), said["logger"], said["message"], said
            )


@contextmanager
def service() -> Iterator[LoadedService]:
    """In a folder of its own, which is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="kadr-load-") as folder:
        made = LoadedService(Path(folder) / "home")
        try:
            made.up.start()
            yield made
        finally:
            made.up.kill()


def progress(text: str) -> None:
    print(f"\r{text:<100}", end="", file=sys.stderr, flush=True)
