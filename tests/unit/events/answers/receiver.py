"""Who is told: a real server on loopback that keeps what it gets and answers as it is told to."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """``answers``: (status, headers, body) of the next requests; then 204. Requests of other paths are kept apart."""

    port: int = 0
    scheme: str = "http"
    got: list[Got] = field(default_factory=list)
    answers: deque[tuple[int, dict[str, str], bytes]] = field(default_factory=deque)
    accepted: int = 0
    hold: threading.Event = field(default_factory=threading.Event)
    """While it is not set, nobody is answered."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.answers.append((status, {k.replace("_", "-"): v for k, v in headers.items()}, body))

    def of(self, path: str) -> list[Got]:
        return [got for got in list(self.got) if got.path == path]

    def until(self, path: str, count: int = 1) -> list[Got]:
        """What came for ``path``, when it is at least so much."""
        deadline = time.monotonic() + PATIENCE_S
        while len(found := self.of(path)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} came to {path}"
            time.sleep(0.02)
        return found


@contextmanager
def receiver(certificate: Path | None = None, port: int = 0) -> Iterator[Receiver]:
    made = Receiver(scheme="https" if certificate else "http")
    made.hold.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append(Got(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            made.hold.wait(PATIENCE_S)
            status, headers, said = made.answers.popleft() if made.answers else (204, {}, b"")
            self.send_response(status)
            for name, value in {
                **headers,
                **({} if status == 204 else {"Content-Length": str(len(said))}),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> Any:
            made.accepted += 1
            return super().get_request()

        def handle_error(self, *_: object) -> None: ...  # a client that goes away is no news

    with Server(("127.0.0.1", port), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        made.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            made.hold.set()
            server.shutdown()
            thread.join()
