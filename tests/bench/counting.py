"""A relay before an object store that counts what it is asked: by kind of request, and by what the object is to Kadr."""

from __future__ import annotations

import http.client
import re
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

LOOPBACK = "127.0.0.1"
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}
_RECORD = re.compile(r"state/[^/]+/[^/]+/\d+/.+\.(ok|failed)\.json")

Asked = tuple[str, str]
"""Kind (GET, HEAD, LIST, PUT, COPY, DELETE, POST) and object (record, request, mark, result json, result npz, video, …)."""
PAYLOAD = frozenset({"result json", "result npz", "video", "report"})
"""Objects that hold what was computed or is to be looked at. All others steer, and so does each LIST, wherever it looks."""


def is_control(asked: Asked) -> bool:
    """LIST of anything (a lookup), and every request about an object that steers: it is none only about a payload.

    A HEAD asks about a payload before it is read, and counts with it.
    """
    kind, what = asked
    return kind == "LIST" or what not in PAYLOAD


def classified(method: str, path: str, headers: Mapping[str, str]) -> Asked:
    """What one request to S3 asks; the bucket is the first part of its path."""
    url = urlsplit(path)
    query = parse_qs(url.query, keep_blank_values=True)
    _, _, name = unquote(url.path).lstrip("/").partition("/")
    if not name and "prefix" in query:
        return "LIST", what_is(query["prefix"][0])
    kind = "COPY" if method == "PUT" and "x-amz-copy-source" in headers else method
    return kind, what_is(name)


def what_is(name: str) -> str:
    """The kind of object that has this name; of a prefix, of what lies below it."""
    top = name.partition("/")[0]
    if top == "results":
        return "result npz" if name.endswith(".npz") else "result json" if name.endswith(".json") else "key"
    if top == "state":
        if name.endswith("/request.json"):
            return "request"
        return "record" if _RECORD.fullmatch(name) else "mark" if name.endswith(".json") else "run"
    if top == "runs":
        return "report" if "/report/" in name else "manifest"
    if top == "videos":
        return "marker" if "/runs/" in name else "video"
    if top in ("inbox", "tmp"):
        return "video" if name.count("/") > 1 else top
    return top or "bucket"


class Relay:
    """Listens on a port of its own, hands on to ``port``, and counts. A context manager."""

    def __init__(self, port: int) -> None:
        self.counts: Counter[Asked] = Counter()
        self.names: Counter[tuple[str, str]] = Counter()
        """By kind and name: which object it is that is asked for again and again."""
        self._upstream = port
        self._lock = threading.Lock()
        self._server = _Server((LOOPBACK, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    def taken(self) -> Counter[Asked]:
        """What was counted since the last time."""
        with self._lock:
            found, self.counts = self.counts, Counter()
            self.names.clear()
        return found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _count(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        asked = classified(method, path, headers)
        url = urlsplit(path)
        name = url.path if asked[0] != "LIST" else parse_qs(url.query)["prefix"][0]
        with self._lock:
            self.counts[asked] += 1
            self.names[(asked[0], unquote(name))] += 1

    def _handler(relay) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            upstream: http.client.HTTPConnection | None = None

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, http.client.HTTPException):  # whoever asked asks again
                    self.close_connection = True

            def answer(self) -> None:
                headers = {k.lower(): v for k, v in self.headers.items()}
                relay._count(self.command, self.path, headers)
                body = self.rfile.read(int(headers.get("content-length", 0)))
                if self.upstream is None:
                    self.upstream = http.client.HTTPConnection(LOOPBACK, relay._upstream, timeout=120)
                sent = {k: v for k, v in headers.items() if k not in _HOP}
                try:
                    self.upstream.request(self.command, self.path, body or None, sent)
                    answer = self.upstream.getresponse()
                except (ConnectionError, http.client.HTTPException):
                    self.upstream.close()
                    self.upstream.request(self.command, self.path, body or None, sent)
                    answer = self.upstream.getresponse()
                self._hand_back(answer)

            def _hand_back(self, answer: http.client.HTTPResponse) -> None:
                data = answer.read()
                self.send_response_only(answer.status, answer.reason)
                for name, value in answer.getheaders():
                    if name.lower() not in _HOP and (
                        name.lower() != "content-length" or self.command == "HEAD"
                    ):
                        self.send_header(name, value)
                if self.command != "HEAD" and answer.status not in (204, 304):
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def finish(self) -> None:
                if self.upstream is not None:
                    self.upstream.close()
                super().finish()

            def log_message(self, format: str, *args: object) -> None:
                return None

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
