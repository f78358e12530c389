"""Stands between Kadr and its store: for spells it is slow, asks to slow down, breaks connections, or is away."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

from tests.chaos.notices import Listener

SLOW, BUSY, BROKEN, AWAY = "slow", "slow down", "broken", "away"
SPELLS = (SLOW, BUSY, BROKEN, AWAY)
HURT = {SLOW: 0.5, BUSY: 0.6, BROKEN: 0.3, AWAY: 1.0}
"""How many of the requests of a spell it hurts."""
LATENCY_S = (0.2, 2.0)
TIMEOUT_S = 60
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Cut(Exception):
    """The connection is to be reset."""


class StoreRelay:
    """Passes requests on as they are, host and signature included."""

    def __init__(self, port: int, seed: int) -> None:
        """``port``: the store's, on loopback."""
        self.tally = Counter[str]()
        self.store_port = port
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._server = Listener(_handler(self))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def spell(self, kind: str, seconds: float) -> None:
        with self._lock:
            self._until[kind] = time.monotonic() + seconds
            self.tally[f"spells of {kind}"] += 1

    def calm(self) -> None:
        with self._lock:
            self._until.clear()

    def harm(self) -> str:
        """What becomes of the next request: a spell's kind, or nothing."""
        with self._lock:
            self.tally["requests"] += 1
            for kind, until in self._until.items():
                if time.monotonic() < until and self._random.random() < HURT[kind]:
                    self.tally[f"requests hurt by {kind}"] += 1
                    return kind
        return ""

    def count(self, what: str) -> None:
        with self._lock:
            self.tally[what] += 1

    def pick(self, *of: str) -> str:
        with self._lock:
            return self._random.choice(of)

    def latency_s(self) -> float:
        with self._lock:
            return self._random.uniform(*LATENCY_S)

    def close(self) -> None:
        self._server.close()


def _handler(relay: StoreRelay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        upstream: http.client.HTTPConnection | None = None

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except Cut:
                self._reset()
            except OSError:
                self.close_connection = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            harm = relay.harm()
            where = relay.pick("before", "after", "within") if harm == BROKEN else ""
            if harm == SLOW:
                time.sleep(relay.latency_s())
            if harm in (BUSY, AWAY):
                self._say(503, [("Content-Type", "application/xml")], SLOW_DOWN)
                return
            if where == "before":
                raise Cut
            status, headers, said = self._ask(body)
            if where == "after":
                raise Cut
            self._say(status, headers, said, len(said) // 2 if where == "within" else None)
            if where:
                raise Cut

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

        def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            try:
                if self.upstream is None:
                    self.upstream = http.client.HTTPConnection(
                        "127.0.0.1", relay.store_port, timeout=TIMEOUT_S
                    )
                self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    self.upstream.putheader(name, value)
                self.upstream.endheaders(body)
                answer = self.upstream.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException) as error:
                if self.upstream is not None:
                    self.upstream.close()
                self.upstream = None
                relay.count("requests that met no store")
                raise Cut from error
            if answer.status >= 500:
                relay.count("requests that the store itself failed")
            if self.command == "HEAD" and (length := answer.getheader("Content-Length")):
                return answer.status, [*answer.getheaders(), ("X-Length", length)], b""
            return answer.status, answer.getheaders(), said

        def _say(
            self, status: int, headers: list[tuple[str, str]], body: bytes, sent: int | None = None
        ) -> None:
            self.send_response_only(status)
            length = str(len(body))
            for name, value in headers:
                if name == "X-Length":
                    length = value
                elif name.lower() not in _HOP:
                    self.send_header(name, value)
            if status not in (204, 304):
                self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[:sent])

        def _reset(self) -> None:
            """End the connection by RST."""
            self.close_connection = True
            with suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()

        def finish(self) -> None:
            if self.upstream is not None:
                self.upstream.close()
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, format: str, *args: object) -> None:
            """Said in the tally."""

    return Handler
