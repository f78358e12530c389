"""What `kadr submit` does while the store is busy, and what `kadr up` keeps from one start to the next."""

from __future__ import annotations

import io
import json
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli import up
from cli.submit import Client, ServerSaid, _put

BODY = bytes(range(256)) * 20


class Store(ThreadingHTTPServer):
    """Answers PUT with ``statuses``, one after the other, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = list[int]()
        self.got = list[bytes]()
        self.keys = list[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v.mp4"


class Handler(BaseHTTPRequestHandler):
    server: Store

    def do_PUT(self) -> None:
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("ETag", '"the-tag"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """A service whose answer is lost where a status is 0."""
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.append(self.headers["Idempotency-Key"])
        if not (status := self.server.statuses.pop(0) if self.server.statuses else 202):
            return
        body = json.dumps({"run_id": "r", "detail": "no"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def test_a_piece_that_a_busy_store_refuses_is_sent_again_and_counted_once(store: Store) -> None:
    store.statuses += [503, 500]
    moved = list[int]()
    assert _put(store.url, io.BytesIO(BODY), 256, 1000, moved.append) == "the-tag"
    assert store.got == [BODY[256:1256]] * 3
    assert sum(moved) == 1000


def test_what_a_store_will_never_take_is_sent_once(store: Store) -> None:
    store.statuses += [403]
    with pytest.raises(ServerSaid, match="HTTP 403"):
        _put(store.url, io.BytesIO(BODY), 0, 100, lambda _: None)
    assert len(store.got) == 1


def test_a_store_that_stays_busy_is_told(store: Store) -> None:
    store.statuses += [503] * 9
    with pytest.raises(ServerSaid, match="HTTP 503"):
        _put(store.url, io.BytesIO(BODY), 0, 100, lambda _: None)
    assert len(store.got) == 4


def test_a_run_whose_answer_was_lost_is_asked_for_again_by_the_same_key(store: Store) -> None:
    client = Client(store.url, "word")
    store.statuses += [0, 503]
    assert client.ask_once("/runs", {"a": 1})["run_id"] == "r"
    assert (len(store.got), len(set(store.got)), len(set(store.keys))) == (3, 1, 1)
    store.statuses += [422]
    with pytest.raises(ServerSaid, match="says: no"):
        client.ask_once("/runs", {"a": 1})
    assert len(set(store.keys)) == 2


def test_keys_outlive_a_start_that_could_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    key = up._kept(path)("api_key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(json, "dump", full)
        with pytest.raises(OSError, match="no space"):
            up._kept(path)("notify_token")
    assert up._kept(path)("api_key") == key
    assert up._kept(path)("notify_token") == up._kept(path)("notify_token")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
