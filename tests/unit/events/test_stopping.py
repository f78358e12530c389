"""What nobody waits for any more is stopped, and nothing else with it."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from events.binding import TASK_READY, Event
from events.function import Function
from events.worker import DROPPED, Worker
from kadr.pipeline import catalogue
from kadr.pipeline.messages import Finished
from kadr.pipeline.spec import spec_to_json
from kadr.pipeline.workers import Host
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore
from kadr.storage.relay import Relay
from tests.unit.pipeline.test_recording import TASK

HOST = """
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from kadr.pipeline.messages import Finished, encode
connection, folder, begun = Connection(int(sys.argv[1])), Path(sys.argv[0]).parent, []
while True:
    if connection.poll(0.01):
        begun.append(connection.recv().ticket)
        (folder / f"begun.{len(begun)}").touch()
    if begun and (folder / "end").exists():
        (folder / "end").unlink()
        connection.send_bytes(encode(Finished(ticket=begun.pop(0), busy=True)))
"""
SPEC = replace(TASK, component="loudness", version=catalogue.load().components["loudness"].version)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """Of a process that ends the oldest of what it has in hand when ``end`` lies in its folder."""
    script = tmp_path / "host.py"
    script.write_text(textwrap.dedent(HOST))
    made = Worker(Host("slow", [sys.executable, str(script)]))
    yield made
    made.stop()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin(pool: ThreadPoolExecutor, worker: Worker, name: str, mark: Path) -> Future[Finished]:
    found = pool.submit(worker.run, SPEC, 60.0, name=name)
    until(mark.exists)
    return found


def test_a_process_is_ended_when_all_in_it_was_dropped(worker: Worker, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        wanted = begin(pool, worker, "wanted", tmp_path / "begun.1")
        unwanted = begin(pool, worker, "unwanted", tmp_path / "begun.2")
        worker.drop("unwanted")
        worker.drop("a stranger")
        time.sleep(0.6)
        assert not unwanted.done(), "what is wanted goes on"
        (tmp_path / "end").touch()
        assert wanted.result(20).busy
        assert unwanted.result(20).code == DROPPED
        (tmp_path / "begun.1").unlink()
        again = begin(pool, worker, "unwanted", tmp_path / "begun.1")
        (tmp_path / "end").touch()
        assert again.result(20).busy, "the next is begun in a new process"


@pytest.mark.parametrize("waits", [False, True])
def test_a_task_goes_on_if_somebody_waits_for_its_key(worker: Worker, tmp_path: Path, waits: bool) -> None:
    store, asked = FileStore(tmp_path / "store"), list[str]()

    def awaited(key: str) -> bool:
        asked.append(key)
        return waits

    relay = Relay(store, FileClaims(tmp_path), None, tmp_path)  # type: ignore[arg-type]
    function = Function(frozenset([SPEC.component]), store, relay, worker, awaited=awaited)
    statuses: list[int] = []
    event = Event("1", "/test", TASK_READY, {"task": spec_to_json(SPEC)}, delivery="d/1")
    running = threading.Thread(target=lambda: statuses.append(function.take(event).status_code))
    running.start()
    until((tmp_path / "begun.1").exists)
    function.drop("another/1")
    assert not asked
    function.drop("d/1")
    assert asked[0] in {w.key for w in SPEC.wanted}
    if waits:
        time.sleep(0.6)
        (tmp_path / "end").touch()
    running.join(20)
    assert statuses == [503 if waits else 410]
