"""Fetching the video behind a URL, all through the egress proxy: a plain file as it is, of a page what yt-dlp finds there."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError, ResponseError, SSLError
from urllib3.util import Retry, Timeout

from events.egress.errors import PASSING, denial, failed, untunnelled
from events.egress.urls import canonical
from events.egress.ytdlp import GB, download, too_large, too_slow, whole
from kadr.contracts.errors import KadrError, VideoUnavailable

PIECE = 1 << 20
REDIRECTS = 5
QUIET_S = 30.0
TOTAL_S = 3000.0
LISTS = frozenset({"vnd.apple.mpegurl", "x-mpegurl", "mpegurl", "dash+xml", "json", "xml", "xhtml+xml"})
"""Kinds of answers that tell of a video and are none; so does all that is text."""
LIST_SUFFIXES = (".m3u8", ".mpd")


def through(proxy: str, ca_file: Path | None = None) -> urllib3.ProxyManager:
    """What goes out of the service goes by this. ``ca_file``: certificates to trust beside the system's."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return urllib3.ProxyManager(proxy, ssl_context=context)


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
            raise VideoUnavailable(f"{url}: {error}") from error
        end = time.monotonic() + self.total_s
        if not self._plain(url, folder / "video.file", end):
            download(url, folder, self.max_bytes, self.proxy, end - time.monotonic())
        found = whole(folder)
        if not found:
            raise VideoUnavailable(f"{url}: nothing was fetched")
        return found[0]

    def _plain(self, url: str, path: Path, end: float) -> bool:
        """Whether a file was there; False for a page."""
        retry = Retry(total=None, connect=0, read=0, redirect=REDIRECTS, status=0, other=0)
        timeout = Timeout(connect=QUIET_S, read=QUIET_S)
        with through(self.proxy, self.ca_file) as http:
            try:
                headers = {"Accept-Encoding": "identity", "User-Agent": "Kadr"}
                answer = http.request(
                    "GET", url, headers=headers, preload_content=False, retries=retry, timeout=timeout
                )
                try:
                    if answer.status != 200:
                        raise _refused(url, answer)
                    return not _tells(url, answer) and self._written(url, answer, path, end)
                finally:
                    answer.close()
            except (HTTPError, LocationValueError) as error:
                raise _trouble(url, error) from error

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


def _tells(url: str, answer: urllib3.BaseHTTPResponse) -> bool:
    """Whether this is a page or a list rather than a video."""
    kind, _, sort = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower().partition("/")
    return kind == "text" or sort in LISTS or urlsplit(url).path.lower().endswith(LIST_SUFFIXES)


def _refused(url: str, answer: urllib3.BaseHTTPResponse) -> KadrError:
    refused = denial(answer.reason or "")
    said = refused or f"the server answered {answer.status} ({answer.reason})"
    return failed(url, said, refused is None and answer.status in PASSING)


def _trouble(url: str, error: Exception) -> KadrError:
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    text = str(cause)
    if refused := denial(text):
        return failed(url, refused, False)
    if isinstance(cause, ResponseError):
        return failed(url, f"it leads on more than {REDIRECTS} times", False)
    if isinstance(cause, LocationValueError):
        return failed(url, f"it leads to what is not fetched: {text}", False)
    if isinstance(cause, SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
        return failed(url, "the server's certificate is not trusted", False)
    return failed(url, untunnelled(text) or f"it cannot be reached: {text}", True)
