"""The egress proxy: proxy.py parses and relays, our plugin decides who is reached and by which address.

One process, one thread a connection: looking names up and connecting wait, and what waits must stop nobody else.
"""

from __future__ import annotations

import json
import re
import select
import socket
import tempfile
import threading
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, ClassVar

from proxy.common.flag import FlagParser
from proxy.core.work.threaded import start_threaded_work
from proxy.http.exception import HttpRequestRejected
from proxy.http.handler import HttpProtocolHandler
from proxy.http.parser import HttpParser
from proxy.http.proxy import HttpProxyBasePlugin

from events.egress.errors import DENIED, EgressDenied, Unresolvable
from events.egress.filter import METHODS, Filter
from kadr.contracts.errors import KadrError

AHEAD = 1 << 20
"""Bytes that are read before the client has taken what came."""
LINE = 8192
SLOW_S = 300.0
IDLE_S = 120
_UNSAYABLE = re.compile(r"[^\x20-\x7e]")


def refusal(error: KadrError) -> HttpRequestRejected:
    """``error`` as an answer."""
    said = {
        "type": f"urn:kadr:error:{error.code}",
        "title": error.code,
        "status": error.status,
        "detail": str(error),
        "retryable": error.retryable,
    }
    start = DENIED if isinstance(error, EgressDenied) else "Bad Gateway"
    return HttpRequestRejected(
        status_code=error.status,
        reason=_UNSAYABLE.sub("?", f"{start}: {error}").encode(),
        headers={b"Content-Type": b"application/problem+json"},
        body=json.dumps(said).encode(),
    )


class EgressPlugin(HttpProxyBasePlugin):
    """One connection's. :class:`EgressProxy` makes a subclass with its filter."""

    filter: ClassVar[Filter]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pinned: str | None = None
        self._asked = False
        self._head: bytes | None = b""
        """What came of the answer's first line, until it is whole."""

    def before_upstream_connection(self, request: HttpParser) -> HttpParser:
        try:
            self._pinned = self._judged(request)
        except (EgressDenied, Unresolvable) as error:
            raise refusal(error) from error
        return request

    def _judged(self, request: HttpParser) -> str:
        method, url = (request.method or b"").decode("latin-1"), request._url
        if method not in METHODS:
            raise EgressDenied(f"method {method[:20]!r}: only {', '.join(sorted(METHODS))}")
        if url is None or not request.host or not request.port:
            raise EgressDenied("no host was asked for")
        if b"@" in (url.hostname or b"") or url.username is not None or url.password is not None:
            raise EgressDenied("a URL with a user's name or password")
        if not request.is_https_tunnel and url.scheme != b"http":
            raise EgressDenied("of what is no tunnel, only http:// addresses")
        return self.filter.pinned(request.host.decode("latin-1"), request.port)

    def resolve_dns(self, host: str, port: int) -> tuple[str | None, Any]:
        """The address that was judged. proxy.py resolves nothing when it is given one."""
        if self._pinned is None:
            raise EgressDenied(f"{host}:{port} was not judged")
        return self._pinned, None

    def handle_client_request(self, request: HttpParser) -> HttpParser:
        """proxy.py would send a later request on this connection to the first one's server, whomever it names: none is taken."""
        if self._asked:
            raise HttpRequestRejected
        self._asked = True
        if not request.is_https_tunnel:
            if request.has_header(b"connection"):
                request.del_header(b"connection")
            request.add_header(b"Connection", b"close")
        else:
            self._head = None
        return request

    def _closing(self, chunk: memoryview) -> memoryview:
        """Tells the client too that the connection is good for one answer: not every server does."""
        if self._head is None:
            return chunk
        line, end, rest = (self._head + chunk.tobytes()).partition(b"\r\n")
        if not end and len(line) < LINE:
            self._head = line
            return memoryview(b"")
        self._head = None
        return memoryview(line + (b"\r\nConnection: close\r\n" if end else b"") + rest)

    def handle_upstream_chunk(self, chunk: memoryview) -> None:
        """Hand on what came, and read no faster than the client does.

        proxy.py keeps what the client has not taken, and of plain http the whole body, in memory: a video is too much for that.
        """
        if piece := self._closing(chunk):
            self.client.queue(piece)
        waiting = sum(len(held) for held in self.client.buffer)
        while waiting > AHEAD:
            _, writable, _ = select.select([], [self.client.connection], [], SLOW_S)
            if not writable:
                raise TimeoutError(f"the client took nothing for {SLOW_S:.0f} s")
            waiting -= self.client.flush()

    def on_access_log(self, context: dict[str, Any]) -> None:
        return None


class EgressProxy:
    """Listens on loopback until it is closed; a context manager."""

    def __init__(self, rules: Filter, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        plugin = type("Egress", (EgressPlugin,), {"filter": rules})
        # It makes folders for certificates and a cache, which it has no use for here.
        self._folder = tempfile.TemporaryDirectory(prefix="kadr-egress-")
        self._flags = FlagParser.initialize(
            ["--cache-dir", self._folder.name],
            threaded=True,
            hostname=ip_address("127.0.0.1"),
            data_dir=self._folder.name,
            log_level="WARNING",
            timeout=IDLE_S,
            work_klass=HttpProtocolHandler,
        )
        self._flags.plugins[b"HttpProxyBasePlugin"] = [plugin]
        self._thread = threading.Thread(target=self._serve, name="egress", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        while True:
            try:
                connection, address = self._socket.accept()
            except OSError:
                return
            connection.setblocking(False)
            start_threaded_work(self._flags, connection, address)

    def __enter__(self) -> EgressProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
        self._folder.cleanup()
