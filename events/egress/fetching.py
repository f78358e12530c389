"""Fetching the video behind a URL, all through the egress proxy: a plain file as it is, of a page what yt-dlp finds there."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, SSLError
from urllib3.util import Timeout

from events.egress.errors import PASSING, denial, failed, untunnelled
from events.egress.urls import canonical, shown, without_secrets
from events.egress.ytdlp import GB, download, too_large, too_slow, whole
from kadr.contracts.errors import KadrError, VideoUnavailable

PIECE = 1 << 20
REDIRECTS = 5
QUIET_S = 30.0
TOTAL_S = 3000.0
LISTS = frozenset({"vnd.apple.mpegurl", "x-mpegurl", "mpegurl", "dash+xml", "json", "xml", "xhtml+xml"})
"""Kinds of answers that tell of a video and are none; so does all that is text."""
LIST_SUFFIXES = (".m3u8", ".mpd")


def trusting(ca_file: Path | None = None) -> ssl.SSLContext:
    """``ca_file``: certificates to trust beside the system's."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def through(proxy: str, ca_file: Path | None = None) -> urllib3.ProxyManager:
    """What is fetched from outside of the service is fetched by this."""
    return urllib3.ProxyManager(proxy, ssl_context=trusting(ca_file))


@dataclass(frozen=True)
class Fetching:
    """Fetches one video of at most ``max_bytes`` within ``total_s``."""

    proxy: str
    max_bytes: int = 20 * GB
    total_s: float = TOTAL_S
    ca_file: Path | None = None

    def __call__(self, url: str, folder: Path) -> Path:
        """The file, in ``folder``. Raises VideoUnavailable with the reason, NetworkTrouble for what may pass, OSError."""
        try:
            canonical(url)
        except ValueError as error:
            raise VideoUnavailable(f"{shown(url)}: {without_secrets(str(error))}") from error
        end = time.monotonic() + self.total_s
        if not self._plain(url, folder / "video.file", end):
            download(url, folder, self.max_bytes, self.proxy, end - time.monotonic())
        found = whole(folder)
        if not found:
            raise VideoUnavailable(f"{shown(url)}: nothing was fetched")
        return found[0]

    def _plain(self, url: str, path: Path, end: float) -> bool:
        """Whether a file was there; False for a page."""
        with through(self.proxy, self.ca_file) as http:
            try:
                answer = self._asked(http, url)
                try:
                    if answer.status != 200:
                        raise _refused(url, answer)
                    return not _tells(answer) and self._written(url, answer, path, end)
                finally:
                    _leave(answer)
            except HTTPError as error:
                raise _trouble(url, error) from error

    def _asked(self, http: urllib3.ProxyManager, url: str) -> urllib3.BaseHTTPResponse:
        """The answer at the end of all redirects, each of which goes through the proxy."""
        headers, timeout = (
            {"Accept-Encoding": "identity", "User-Agent": "Kadr"},
            Timeout(connect=QUIET_S, read=QUIET_S),
        )
        at = url
        for _ in range(REDIRECTS + 1):
            answer = http.request(
                "GET",
                at,
                headers=headers,
                preload_content=False,
                retries=False,
                redirect=False,
                timeout=timeout,
            )
            if not (to := answer.get_redirect_location()):
                return answer
            _leave(answer)
            at = urljoin(at, to)
            try:
                canonical(at)
            except ValueError as error:
                raise failed(url, f"it leads to what is not fetched: {error}", False) from error
        raise failed(url, f"it leads on more than {REDIRECTS} times", False)

    def _written(self, url: str, answer: urllib3.BaseHTTPResponse, path: Path, end: float) -> bool:
        size = answer.headers.get("Content-Length", "")
        if size.isdecimal() and int(size) > self.max_bytes:
            raise too_large(url, self.max_bytes)
        done = 0
        with path.open("wb") as file:
            for piece in answer.stream(PIECE, decode_content=False):
                done += file.write(piece)
                if done > self.max_bytes:
                    raise too_large(url, self.max_bytes)
                if time.monotonic() > end:
                    raise too_slow(url)
        return True


def _leave(answer: urllib3.BaseHTTPResponse) -> None:
    """Without reading the rest; of an empty answer, closing alone leaves the connection to the collector."""
    answer.close()
    answer.release_conn()


def _tells(answer: urllib3.BaseHTTPResponse) -> bool:
    """Whether this is a page or a list rather than a video."""
    kind, _, sort = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower().partition("/")
    return kind == "text" or sort in LISTS or urlsplit(answer.url or "").path.lower().endswith(LIST_SUFFIXES)


def _refused(url: str, answer: urllib3.BaseHTTPResponse) -> KadrError:
    refused = denial(answer.reason or "")
    said = refused or f"the server answered {answer.status} ({answer.reason})"
    return failed(url, said, refused is None and answer.status in PASSING)


def _trouble(url: str, error: HTTPError) -> KadrError:
    text = str(error)
    if refused := denial(text):
        return failed(url, refused, False)
    if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
        return failed(url, "the server's certificate is not trusted", False)
    return failed(url, untunnelled(text) or f"it cannot be reached: {text}", True)
