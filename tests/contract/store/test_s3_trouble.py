"""What callers see of a server that is away, comes back, or takes half of what it was sent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kadr.contracts.errors import ObjectMissing, StoreFailure
from kadr.storage.cache import Cache
from kadr.storage.s3 import S3Store
from kadr.storage.s3_client import Patience, S3Address, S3Client
from tests.servers_s3 import BRISK, Backend

LARGE = 20_000_000


def test_a_store_that_is_away_is_left_alone_and_found_again(backend: Backend, s3: S3Store) -> None:
    s3.put("a/b", b"body")
    with s3.local("a/b"):
        pass
    backend.server.stop()
    try:
        for ask in (lambda: s3.get("a/b"), lambda: s3.exists("a/b"), lambda: s3.list("a/")):
            with pytest.raises(StoreFailure) as failed:
                ask()
            assert failed.value.retryable
        began = time.monotonic()
        for _ in range(50):
            with pytest.raises(StoreFailure, match="did not answer before"):
                s3.get("a/b")
        assert time.monotonic() - began < 0.3
        assert s3._client.resting
    finally:
        backend.server.start()
    time.sleep(BRISK.pause_s)
    assert s3.get("a/b") == b"body"
    assert not s3._client.resting
    with s3.local("a/b") as path:
        assert path.read_bytes() == b"body"


def test_what_a_server_took_is_there_after_it_was_killed(backend: Backend, s3: S3Store) -> None:
    taken: list[int] = []
    patience = Patience(retries=0, failures=1000)
    writer = S3Store(S3Client(s3._client.address, patience), s3._cache)

    def write() -> None:
        for i in range(400):
            try:
                writer.put(f"k/{i:03d}", bytes([i % 256]) * 20_000)
            except StoreFailure:
                return
            taken.append(i)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while len(taken) < 10 and not writing.done():
            time.sleep(0.005)
        os.kill(backend.server.pid or 0, signal.SIGKILL)
        writing.result()
    backend.server.stop()
    backend.server.start()
    bodies = {name: s3.get(name) for name in s3.list("k/")}
    assert {f"k/{i:03d}" for i in taken} <= set(bodies)
    assert len(bodies) <= len(taken) + 1
    for name, body in bodies.items():
        assert body == bytes([int(name[2:]) % 256]) * 20_000


def _put_for_ever(address: S3Address, folder: Path, began: str) -> None:
    store = S3Store(S3Client(address), Cache(folder, 1 << 20))
    for i in range(1000):
        path = store.scratch() / f"large-{i}"
        path.write_bytes(bytes([i % 256]) * LARGE)
        store.put_file("large", path)
        Path(began).touch()


def test_a_writer_that_was_killed_leaves_all_of_an_object_or_what_was_before(
    backend: Backend, s3: S3Store, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    context = multiprocessing.get_context("spawn")
    writer = context.Process(
        target=_put_for_ever, args=(s3._client.address, tmp_path / "theirs", str(began)), daemon=True
    )
    writer.start()
    while not began.exists():
        assert writer.is_alive()
        time.sleep(0.01)
    time.sleep(0.05)
    os.kill(writer.pid or 0, signal.SIGKILL)
    writer.join()
    body = s3.get("large")
    assert len(body) == LARGE
    assert len(set(body)) == 1
    assert list(s3.list("")) == ["large"]


def test_readers_have_what_they_read_while_it_is_evicted(
    backend: Backend, s3: S3Store, tmp_path: Path
) -> None:
    """Four objects fit, twelve are read by threads that share the folder through two stores."""
    bodies = {f"r/{i}": bytes([i]) * 50_000 for i in range(12)}
    for name, body in bodies.items():
        s3.put(name, body)
    stores = [S3Store(s3._client, Cache(tmp_path / "shared", 200_000)) for _ in range(2)]

    def read(number: int) -> None:
        for i in range(20):
            name = f"r/{(number * 5 + i * 7) % 12}"
            with stores[number % 2].local(name) as path:
                time.sleep(0.001)
                assert path.read_bytes() == bodies[name]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(read, range(6)))
    copies = list((tmp_path / "shared" / "copies").iterdir())
    assert sum(path.stat().st_size for path in copies) <= 200_000 + 2 * 50_000


def test_what_is_deleted_while_it_is_read_stays_with_its_reader(s3: S3Store) -> None:
    s3.put("a/b", b"body")
    with s3.local("a/b") as path:
        s3.delete("a/b")
        assert path.read_bytes() == b"body"
    with pytest.raises(ObjectMissing), s3.local("a/b"):
        pass


def test_many_that_want_one_object_ask_for_its_bytes_once(s3: S3Store) -> None:
    s3.put("a/b", b"x" * 1_000_000)
    downloads: list[str] = []
    download, lock = s3._download, threading.Lock()

    def counted(name: str, etag: str, file: object) -> None:
        with lock:
            downloads.append(name)
        download(name, etag, file)  # type: ignore[arg-type]

    s3._download = counted  # type: ignore[method-assign]

    def size() -> int:
        with s3.local("a/b") as path:
            return path.stat().st_size

    with ThreadPoolExecutor(8) as pool:
        assert {f.result() for f in [pool.submit(size) for _ in range(16)]} == {1_000_000}
    assert downloads == ["a/b"]
