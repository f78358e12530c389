"""Stands between the store's webhook and ingest: notices are dropped, doubled, delayed and so reordered on their way."""

from __future__ import annotations

import heapq
import itertools
import random
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DROPPED, DOUBLED, DELAYED = 0.2, 0.2, 0.3
LATEST_S = 8.0
PATIENCE_S = 10.0
_Due = tuple[float, int, int, bytes, str]


class Listener(ThreadingHTTPServer):
    """On loopback. Callers are killed at will: that one went away is nothing to tell."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class Notices:
    """Answers every notice 200, as a network that loses it afterwards."""

    def __init__(self, target: str, seed: int) -> None:
        self.tally = Counter[str]()
        self._target = target
        self._random = random.Random(seed)
        self._due: list[_Due] = []
        self._ready = threading.Condition()
        self._numbers = itertools.count()
        self._latest = -1
        self._server = Listener(_handler(self))
        for _ in range(4):
            threading.Thread(target=self._deliver, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/notifications"

    def heard(self, body: bytes, token: str) -> None:
        with self._ready:
            number, chance = next(self._numbers), self._random.random()
            self.tally["heard"] += 1
            if chance < DROPPED:
                self.tally["dropped"] += 1
                return
            times = 2 if chance < DROPPED + DOUBLED else 1
            self.tally["doubled"] += times - 1
            for copy in range(times):
                late = self._random.random() < DELAYED
                at = time.monotonic() + (self._random.uniform(0.2, LATEST_S) if late else 0.0)
                heapq.heappush(self._due, (at, number, copy, body, token))
            self._ready.notify()

    def _deliver(self) -> None:
        while True:
            with self._ready:
                while not self._due or self._due[0][0] > time.monotonic():
                    self._ready.wait(max(0.0, self._due[0][0] - time.monotonic()) if self._due else None)
                _, number, _, body, token = heapq.heappop(self._due)
                self.tally["reordered"] += number < self._latest
                self._latest = max(self._latest, number)
            self._count("passed" if self._passed(body, token) else "met nobody")

    def _count(self, what: str) -> None:
        with self._ready:
            self.tally[what] += 1

    def _passed(self, body: bytes, token: str) -> bool:
        headers = {"Content-Type": "application/json", "Authorization": token}
        try:
            urllib.request.urlopen(
                urllib.request.Request(self._target, body, headers), timeout=PATIENCE_S
            ).close()
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._server.close()


def _handler(notices: Notices) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            notices.heard(body, self.headers.get("Authorization", ""))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Said in the tally."""

    return Handler
