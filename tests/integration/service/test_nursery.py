"""Function processes are forked from one that has imported everything; they live and end like started ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from cli.forking import Forked, Nursery
from cli.servers.process import LOOPBACK, free_port, gunicorn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")

APP = "cli.function:app"
PATIENCE_S = 30


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    made = Nursery(APP, tmp_path / "nursery.log")
    yield made
    made.stop()


def born(nursery: Nursery, folder: Path) -> tuple[Forked, str]:
    """A process of `probe` whose servers are not there, which it does not need to be ready, and its URL."""
    port = free_port()
    environment = {
        "KADR_FUNCTION": "probe",
        "KADR_HOME": str(folder),
        "KADR_S3_ENDPOINT": f"http://{LOOPBACK}:1",
        "KADR_S3_ACCESS_KEY": "key",
        "KADR_S3_SECRET_KEY": "secret-key",
        "KADR_REDIS_URL": f"redis://{LOOPBACK}:1/0",
    }
    command = gunicorn(APP, f"{LOOPBACK}:{port}", 4, 0, 5)
    return nursery.fork("probe", command, folder / "probe.log", environment), f"http://{LOOPBACK}:{port}"


def ready(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url}/health/ready", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_forked_process_serves_and_ends_with_what_it_started(nursery: Nursery, tmp_path: Path) -> None:
    first, url = born(nursery, tmp_path)
    second, other = born(nursery, tmp_path)
    until(lambda: ready(url) and ready(other))
    family = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
    assert len(family) == 2, "gunicorn and its worker"
    # Importing what it needs takes most of a second; that was done before.
    assert sum(sum(p.cpu_times()[:2]) for p in family) < 0.4

    first.stop(5)
    assert not first.alive
    assert not any(p.is_running() for p in family)
    assert second.alive
    assert ready(other)


def test_when_the_nursery_dies_its_processes_end_and_others_are_forked(
    nursery: Nursery, tmp_path: Path
) -> None:
    first, url = born(nursery, tmp_path)
    until(lambda: ready(url))
    parent = psutil.Process(first.pid).parent()
    assert parent is not None
    assert parent.pid != os.getpid()
    parent.kill()
    until(lambda: not first.alive)
    second, url = born(nursery, tmp_path)
    until(lambda: ready(url))
    second.stop(5)


def sockets(pid: int) -> set[str]:
    """What names the sockets that a process has open."""
    found = set[str]()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(handle.readlink()))
    return {name for name in found if name.startswith("socket:")}


def test_what_was_forked_does_not_hold_the_nurserys_line(nursery: Nursery, tmp_path: Path) -> None:
    """Or its death would be noticed by nobody who asks. Who starts it may have many files open."""
    with ExitStack() as opened:
        for number in range(80):
            opened.enter_context((tmp_path / str(number)).open("w"))
        first, _ = born(nursery, tmp_path)
        parent = psutil.Process(first.pid).parent()
        assert parent is not None
        line = sockets(parent.pid)
        assert len(line) == 1
        until(lambda: not line & sockets(first.pid))
    first.stop(5)


def test_a_process_that_ended_is_not_alive_though_nobody_buries_it() -> None:
    """Whose nursery died is its machine's first process's, which may bury none: no task is to be sent there."""
    child = subprocess.Popen(["true"])
    forked = Forked(child.pid)
    until(lambda: not forked.alive)
    assert psutil.pid_exists(child.pid)
    child.wait()
