"""What goes wrong around the queue: workers killed, the server away, restarted, loading, full, read-only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cli.servers.process import ServerFailed
from cli.servers.valkey import Valkey
from events.queue.consumer import Consumer
from events.queue.depth import depth
from events.queue.dispatch import Dispatcher
from events.queue.errors import QueueUnavailable
from events.queue.messages import Message
from events.queue.queue import Queue
from events.queue.server import Server

Make = Callable[..., Message]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def own(engine: Path, tmp_path: Path) -> Iterator[Valkey]:
    """A server of this test's own, which it may stop and fill."""
    with Valkey(tmp_path / "data", binary=engine) as valkey:
        yield valkey


def worker(url: str, prefix: str, work_ms: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.queue.worker", url, prefix, str(work_ms)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_what_killed_workers_had_is_done_by_others(url: str, server: Server, message: Make) -> None:
    Queue(server).ready_all([message(f"t{n}") for n in range(40)])
    killed = [worker(url, server.names.prefix, 40) for _ in range(2)]
    said: list[str] = []
    for each in killed:
        assert each.stdout is not None
        assert each.stdout.readline() == "up\n"
    deadline = time.monotonic() + 10
    while depth(server, "ocr").finished < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    for each in killed:
        os.kill(each.pid, signal.SIGKILL)
        said += each.communicate()[0].split()
    left = depth(server, "ocr", lease_ms=400)
    assert left.pending > 0, "they were killed in the middle"
    last = worker(url, server.names.prefix, 0)
    deadline = time.monotonic() + 10
    while depth(server, "ocr").depth and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(last.pid, signal.SIGKILL)
    said += last.communicate()[0].split()[1:]
    after = depth(server, "ocr")
    assert (after.depth, after.finished) == (0, 40)
    assert after.taken_over >= 1
    times = Counter(said)
    assert max(times.values()) == 1, "nothing is finished twice"
    assert len(times) >= 38, "one may be killed between its finish and saying so"


def test_many_dispatchers_and_workers_at_once_do_each_task_once(url: str, message: Make) -> None:
    prefix, capacity = f"c{uuid.uuid4().hex[:8]}", 5
    done: list[str] = []
    most: list[int] = []
    shared = Server(url, prefix)
    Queue(shared).ready_all([message(f"t{n}", owner=f"o{n % 7}", priority=n % 3) for n in range(300)])
    end = threading.Event()

    def dispatching() -> None:
        while not end.is_set():
            Dispatcher(shared).dispatch("ocr", capacity)
            most.append(depth(shared, "ocr").in_stream)

    def working() -> None:
        consumer = Consumer(shared, "ocr")
        while not end.is_set():
            entries = consumer.take(3, block_ms=10)
            assert consumer.finish(entries) == []
            done.extend(entry.message.task for entry in entries)

    with ThreadPoolExecutor() as threads:
        jobs = [
            threads.submit(job) for job in (dispatching, dispatching, dispatching, working, working, working)
        ]
        deadline = time.monotonic() + 20
        while len(done) < 300 and time.monotonic() < deadline and not any(job.done() for job in jobs):
            time.sleep(0.01)
        end.set()
        for job in jobs:
            job.result()
    assert sorted(done) == sorted(f"t{n}" for n in range(300))
    assert max(most) <= 2 * capacity
    shared.close()


def test_a_restarted_server_has_it_all_and_old_connections_go_on(own: Valkey, message: Make) -> None:
    server = Server(own.url)
    queue, consumer = Queue(server), Consumer(server, "ocr")
    sent = [message(f"t{n}") for n in range(6)]
    queue.ready_all(sent)
    Dispatcher(server).dispatch("ocr", 2)
    entries = consumer.take(2)
    before = depth(server, "ocr")
    own.stop()
    with pytest.raises(QueueUnavailable) as refused:
        queue.ready(message())
    assert refused.value.retryable
    own.start()
    after = depth(server, "ocr")
    assert (after.ready, after.lag, after.pending) == (before.ready, before.lag, before.pending) == (2, 2, 2)
    assert not queue.ready(sent[0])
    assert consumer.finish(entries) == [], "what was taken before is still this worker's"
    server.close()


def test_every_trouble_is_one_error_that_a_retry_helps(own: Valkey, message: Make) -> None:
    server = Server(own.url, timeout_s=3)
    queue, consumer, raw = Queue(server), Consumer(server, "ocr"), server.client
    sent = message()
    queue.ready(sent)
    Dispatcher(server).dispatch("ocr", 1)
    (entry,) = consumer.take()

    raw.config_set("maxmemory", "1")
    with pytest.raises(QueueUnavailable, match="OutOfMemory"):
        queue.ready(message())
    assert consumer.finish([entry]) == [], "a full server can still be relieved"
    raw.config_set("maxmemory", "0")

    raw.replicaof("127.0.0.1", "1")
    with pytest.raises(QueueUnavailable, match=r"ReadOnly|MasterDown"):
        queue.ready(message())
    raw.replicaof("NO", "ONE")

    pid = own.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        hasty = Server(own.url, timeout_s=0.2)
        with pytest.raises(QueueUnavailable, match="Timeout"):
            hasty.answers()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert hasty.answers()
    hasty.close()
    assert queue.ready(message())
    server.close()


def test_a_mistake_of_ours_is_not_called_trouble(server: Server) -> None:
    server.client.set(server.names.stream("ocr"), "no stream")
    with pytest.raises(Exception, match="WRONGTYPE") as mistake:
        Dispatcher(server).dispatch("ocr", 1)
    assert not isinstance(mistake.value, QueueUnavailable)


def test_a_password_keeps_others_out(engine: Path, tmp_path: Path) -> None:
    with Valkey(tmp_path / "a folder", binary=engine, password='p"@\\s s') as valkey:
        mine, others = Server(valkey.url), Server(f"redis://127.0.0.1:{valkey.port}/0")
        assert mine.answers()
        with pytest.raises(QueueUnavailable, match="Authentication"):
            others.answers()
        mine.close()
        others.close()
        assert (tmp_path / "a folder/valkey.conf").stat().st_mode & 0o077 == 0


def test_a_server_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="no-such-server"):
        Valkey(tmp_path, binary=Path("/no-such-server")).start()
