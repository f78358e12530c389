"""One POST to somebody outside, through the egress proxy: no redirects, little read, and over when its time is, whatever they do."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import SplitResult, urlsplit

from events.egress.errors import EgressDenied, NetworkTrouble, denial, untunnelled
from events.egress.fetching import trusting
from events.egress.urls import USUAL, canonical

TOTAL_S = 15.0
QUIET_S = 10.0
READ_BYTES = 4096
"""Of what a refusal says."""
SHOWN = 200
_SAYABLE = re.compile(r"[\x21-\x7e]+")
_UNSAYABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True)
class Reply:
    status: int
    retry_after_ms: int | None = None
    said: str = ""
    """The beginning of what a refusal says, in printable ASCII."""

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Post:
    """``proxy`` None: nothing goes out, there is no other way."""

    proxy: str | None
    context: ssl.SSLContext = field(default_factory=trusting)
    total_s: float = TOTAL_S

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Raises EgressDenied for what will never go out; NetworkTrouble for what may pass."""
        if not self.proxy:
            raise NetworkTrouble("nothing is sent without an egress proxy: KADR_EGRESS_PROXY names it")
        try:
            parts = urlsplit(canonical(url if _SAYABLE.fullmatch(url) else ""))
        except ValueError:  # which would quote it
            raise EgressDenied("its URL is none of http or https in ASCII, or holds a user's name") from None
        try:
            with _connected(self.proxy, self.total_s) as (raw, late):
                reply = self._asked(raw, parts, headers, body)
            if late.is_set():  # what was cut may look like an answer
                raise TimeoutError(f"it took longer than {self.total_s:g} s")
            return reply
        except (OSError, HTTPException, ValueError) as error:
            raise NetworkTrouble(f"{_host(parts)}: {_said(str(error)) or type(error).__name__}") from error

    def _asked(
        self, raw: socket.socket, parts: SplitResult, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        path = parts._replace(scheme="", netloc="").geturl()
        if parts.scheme == "https":
            _tunnel(raw, _host(parts))
            raw = self.context.wrap_socket(raw, server_hostname=parts.hostname)
        else:
            path = parts.geturl()
        with raw:
            connection = HTTPConnection(_host(parts))
            connection.sock = raw
            connection.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": parts.netloc, **headers, "Connection": "close"}.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            with connection.getresponse() as answer:
                return _reply(answer, by_proxy=parts.scheme == "http")


def _reply(answer: HTTPResponse, by_proxy: bool) -> Reply:
    """``by_proxy``: it may be the proxy that answers; behind TLS it is the receiver, whatever it says of a filter."""
    if by_proxy and answer.status == 403 and (refused := denial(answer.reason)):
        raise EgressDenied(refused)
    if 200 <= answer.status < 300:
        return Reply(answer.status)
    said = _said(answer.read(READ_BYTES).decode("ascii", "replace"))
    return Reply(answer.status, retry_after_ms(answer.headers.get("Retry-After", "")), said)


def _tunnel(raw: socket.socket, place: str) -> None:
    raw.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode("ascii"))
    answer = HTTPResponse(raw, method="CONNECT")
    try:
        answer.begin()
        if answer.status != 200:
            text = f"Tunnel connection failed: {answer.status} {answer.reason}"
            if refused := denial(text):
                raise EgressDenied(refused)
            raise NetworkTrouble(f"{place}: {untunnelled(text) or text}")
    finally:
        answer.close()


@contextmanager
def _connected(proxy: str, total_s: float) -> Iterator[tuple[socket.socket, threading.Event]]:
    """A connection to the proxy that is cut after ``total_s``, and whether it was: a timeout of each read alone bounds nothing."""
    at, late = urlsplit(proxy), threading.Event()
    with socket.create_connection((at.hostname or "", at.port or 80), QUIET_S) as raw, raw.dup() as handle:

        def cut() -> None:
            late.set()
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

        watchdog = threading.Timer(total_s, cut)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield raw, late
        finally:
            watchdog.cancel()


def _host(parts: SplitResult) -> str:
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{name}:{parts.port or USUAL[parts.scheme]}"


def _said(text: str) -> str:
    return " ".join(_UNSAYABLE.sub(" ", text).split())[:SHOWN]


def retry_after_ms(told: str) -> int | None:
    """Of seconds or a date (RFC 9110); None for anything else."""
    if told.isascii() and told.isdigit() and len(told) < 10:
        return int(told) * 1000
    try:
        return max(0, int((parsedate_to_datetime(told).timestamp() - time.time()) * 1000))
    except (ValueError, TypeError, OverflowError):
        return None
