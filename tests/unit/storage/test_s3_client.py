"""How what an S3 server says is understood, asked of one that says what it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kadr.contracts.errors import NoSpaceLeft, StoreFailure, StoreRefused
from kadr.storage.cache import Cache
from kadr.storage.s3 import PIECE, S3Store
from kadr.storage.s3_client import Patience, S3Address, S3Client

DATE = "Wed, 01 Jan 2025 00:00:00 GMT"
ETAG = '"e"'
BRISK = Patience(retries=2, connect_s=1, read_s=1, failures=2, pause_s=60)


@dataclass(frozen=True)
class Say:
    status: int = 200
    code: str = ""
    why: str = "so"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    """How much of the body comes before the connection breaks."""


@dataclass
class Script:
    """The answers that come, one a request; the last is repeated."""

    port: int = 0
    says: list[Say] = field(default_factory=list)
    heard: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def next(self) -> Say:
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]


def whole(say: Say) -> bytes:
    if not say.code:
        return say.body
    return f"<Error><Code>{say.code}</Code><Message>{say.why}</Message></Error>".encode()


@contextmanager
def served(script: Script) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            say = script.next()
            script.heard.append((self.command, self.path, dict(self.headers)))
            body = whole(say)
            self.send_response(say.status)
            kind = "application/xml" if say.code else "text/html"
            headers = {
                "Content-Type": kind,
                "ETag": ETAG,
                "Last-Modified": DATE,
                "Content-Length": str(len(body)),
            }
            for key, value in {**headers, **say.headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: say.sent])
            if say.sent is not None:
                self.close_connection = True

        do_PUT = do_HEAD = do_POST = do_DELETE = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        script.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()
    with served(script):
        yield script


@pytest.fixture
def store(script: Script, tmp_path: Path) -> S3Store:
    address = S3Address(f"http://127.0.0.1:{script.port}", "kadr", "access", "secret-secret")
    return S3Store(S3Client(address, BRISK), Cache(tmp_path, 1 << 23))


def test_a_busy_server_is_asked_again_in_the_pool(script: Script, store: S3Store) -> None:
    script.says = [Say(503, "SlowDown"), Say(500, "InternalError"), Say(body=b"body")]
    assert store.get("a") == b"body"
    assert len(script.heard) == 3


@pytest.mark.parametrize(
    ("say", "error", "match"),
    [
        (Say(507, "XMinioStorageFull"), NoSpaceLeft, "a: XMinioStorageFull"),
        (Say(507), NoSpaceLeft, "507"),
        (Say(500, "InternalError", "cause(no space left on device)"), NoSpaceLeft, "a: InternalError"),
        (Say(403, "AccessDenied"), StoreRefused, r"a: AccessDenied \(403\)"),
        (Say(404, "NoSuchBucket"), StoreRefused, "NoSuchBucket"),
        (Say(403, "RequestTimeTooSkewed"), StoreRefused, "RequestTimeTooSkewed"),
        (Say(400, "RequestTimeout"), StoreFailure, "RequestTimeout"),
    ],
)
def test_answers_that_are_errors(
    script: Script, store: S3Store, say: Say, error: type[StoreFailure], match: str
) -> None:
    script.says = [say]
    with pytest.raises(error, match=match) as raised:
        store.put("a", b"body")
    assert type(raised.value) is error
    assert raised.value.retryable is (error is not StoreRefused)


def test_what_is_refused_says_nothing_of_the_servers_health(script: Script, store: S3Store) -> None:
    script.says = [Say(507, "XMinioStorageFull"), Say(403, "AccessDenied")]
    for _ in range(5):
        with pytest.raises(StoreFailure):
            store.put("a", b"body")
    assert len(script.heard) == 5


def test_a_server_that_only_fails_is_left_alone(script: Script, store: S3Store) -> None:
    script.says = [Say(502, body=b"<html>Bad gateway</html>")]
    for _ in range(5):
        with pytest.raises(StoreFailure):
            store.get("a")
    assert len(script.heard) == BRISK.failures * (1 + BRISK.retries)


def test_a_download_goes_on_where_the_connection_broke(script: Script, store: S3Store) -> None:
    body = bytes(range(256)) * (PIECE // 128)
    script.says = [
        Say(headers={"Content-Length": str(len(body))}),
        Say(body=body, sent=PIECE + 700),
        Say(206, body=body[PIECE:]),
    ]
    with store.local("a") as path:
        assert path.read_bytes() == body
    assert script.heard[1][2]["If-Match"] == ETAG
    assert script.heard[2][2]["Range"] == f"bytes={PIECE}-"


def test_a_body_that_never_comes_whole_is_no_body(script: Script, store: S3Store) -> None:
    script.says = [Say(body=b"x" * 1000, sent=10)]
    with pytest.raises(StoreFailure):
        store.get("a")


def page(name: str, more: str = "") -> bytes:
    rest = (
        f"<IsTruncated>true</IsTruncated><NextContinuationToken>{more}</NextContinuationToken>"
        if more
        else ""
    )
    return (
        "<ListBucketResult><Name>kadr</Name><Contents>"
        f"<Key>{name}</Key><LastModified>2025-01-01T00:00:00.000Z</LastModified><Size>1</Size>"
        f"</Contents>{rest}</ListBucketResult>"
    ).encode()


def test_a_listing_comes_whole_or_not_at_all(script: Script, store: S3Store) -> None:
    script.says = [Say(body=page("a/2", "more")), Say(body=page("a/1"))]
    assert list(store.list("a/")) == ["a/1", "a/2"]
    script.says = [Say(body=page("a/2", "more")), Say(503, "SlowDown")]
    with pytest.raises(StoreFailure):
        store.list("a/")
    script.says = [Say(body=page("a/2", "more")), Say(body=page("a/1")[:-30])]
    with pytest.raises(StoreFailure):
        store.list("a/")


def test_a_retry_after_is_honoured_and_bounded(script: Script, store: S3Store) -> None:
    script.says = [Say(503, "SlowDown", headers={"Retry-After": "1"}), Say(body=b"body")]
    began = time.monotonic()
    assert store.get("a") == b"body"
    assert 1 <= time.monotonic() - began < 3


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://host", "https://host/path", ""])
def test_an_endpoint_that_is_none_is_told(endpoint: str) -> None:
    with pytest.raises(StoreRefused, match="is not an endpoint"):
        S3Client(S3Address(endpoint, "kadr", "a", "b"))


def test_keys_are_not_shown() -> None:
    assert "secret-secret" not in repr(S3Address("http://host", "kadr", "access", "secret-secret"))
