"""HTTP for the puller: plain GETs and ranged downloads that resume where an earlier one stopped."""

from __future__ import annotations

import base64
import http.client
import re
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from kadr.contracts.errors import KadrError

BLOCK = 1 << 18
TIMEOUT_S = 60
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
BROKEN = (URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)

Advance = Callable[[int, int | None], None]
"""Told after every block: bytes of this file so far, and its length if known."""


class FetchFailed(KadrError):
    """A download did not succeed."""

    status = 502
    retryable = True


class NotThere(FetchFailed):
    """The server has no such file."""

    status = 404
    retryable = False


class Web:
    """Opens http(s) URLs; ``cafile`` replaces the system's certificate authorities.

    Name and password inside a URL are sent to its own host only and never stand in an error.
    """

    def __init__(self, cafile: str | None = None) -> None:
        self._context = ssl.create_default_context(cafile=cafile)

    def get(self, url: str, accept: str = "*/*") -> tuple[bytes, str]:
        """(body, content type). Raises NotThere or FetchFailed."""
        try:
            with self._open(url, {"Accept": accept}) as response:
                return response.read(), response.headers.get("Content-Type", "")
        except BROKEN as error:
            raise failure(url, error) from error

    def download(self, url: str, part: Path, advance: Advance, tries: int = 4, pause_s: float = 1.0) -> None:
        """Bring ``part`` to the URL's whole content, from the bytes that it already has.

        A connection that breaks is opened again; after ``tries`` in a row that brought nothing, raises FetchFailed
        and ``part`` keeps what came. Raises NotThere.
        """
        failed = 0
        while True:
            before = _size(part)
            try:
                if self._append(url, part, advance):
                    return
                error: Exception = ConnectionError("the connection closed early")
            except BROKEN as broken:
                error = broken
            failed = failed + 1 if _size(part) <= before else 0
            if failed >= tries or (isinstance(error, HTTPError) and error.code < 500):
                raise failure(url, error) from error
            time.sleep(pause_s * failed)

    def _append(self, url: str, part: Path, advance: Advance) -> bool:
        """One request for the rest of the file; whether the file is whole now."""
        offset = _size(part)
        try:
            response = self._open(url, {"Range": f"bytes={offset}-"} if offset else {})
        except HTTPError as error:
            if error.code != 416 or not offset:
                raise
            return _past_the_end(error, part, offset)
        with response:
            start, total = _span(response, offset)
            with part.open("ab" if start else "wb") as file:
                while block := response.read(BLOCK):
                    file.write(block)
                    advance(file.tell(), total)
                return total is None or file.tell() >= total

    def _open(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise FetchFailed(f"{redacted(url)} is neither an http(s) URL nor a folder")
        request = Request(_bare(url), headers=headers)
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(pair).decode())
        response: http.client.HTTPResponse = urlopen(request, timeout=TIMEOUT_S, context=self._context)
        return response


def failure(url: str, error: Exception) -> FetchFailed:
    """What a person reads when ``url`` could not be read."""
    if isinstance(error, HTTPError):
        error.close()
        kind = NotThere if error.code in (404, 410) else FetchFailed
        return kind(f"{redacted(url)}: the server answered {error.code} {error.reason}")
    reason = error.reason if isinstance(error, URLError) else error
    return FetchFailed(f"{redacted(url)}: {reason}")


def redacted(url: str) -> str:
    """The URL without name, password and query."""
    return urlsplit(_bare(url))._replace(query="", fragment="").geturl()


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _span(response: http.client.HTTPResponse, offset: int) -> tuple[int, int | None]:
    """(first byte of the answer, length of the whole file): a server without ranges starts again at 0."""
    if response.status == 206:
        found = CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != offset:
            raise http.client.HTTPException(f"asked for bytes from {offset}, got another range")
        return offset, None if found[2] == "*" else int(found[2])
    length = response.headers.get("Content-Length")
    return 0, int(length) if length else None


def _past_the_end(error: HTTPError, part: Path, offset: int) -> bool:
    """The server has no bytes after ours: the file is whole if the lengths agree, else it is begun again."""
    error.close()
    if error.headers.get("Content-Range", "") in (f"bytes */{offset}", ""):
        return True
    part.unlink()
    return False
