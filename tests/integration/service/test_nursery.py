"""Function processes are forked from one that has imported everything; they live and end like started ones."""

from __future__ import annotations

import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
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
