"""What yt-dlp finds behind a URL, as one file."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from events.egress.errors import PASSING, denial, failed, untunnelled
from events.egress.urls import shown
from kadr.contracts.errors import VideoUnavailable

GB = 10**9
UNFINISHED = (".part", ".ytdl")
OURS = "[protocol~='^(https?|m3u8|m3u8_native|http_dash_segments)$']"
"""What yt-dlp fetches itself; other programs would not ask the proxy."""


def whole(folder: Path) -> list[Path]:
    """What was fetched to its end."""
    return sorted(p for p in folder.glob("video.*") if p.suffix not in UNFINISHED and p.is_file())


def too_large(url: str, max_bytes: int) -> VideoUnavailable:
    return VideoUnavailable(f"{shown(url)} is larger than {max_bytes / GB:g} GB: KADR_FETCH_GB lets in more")


def too_slow(url: str) -> VideoUnavailable:
    return VideoUnavailable(f"{shown(url)} takes too long to fetch")


def download(
    url: str, folder: Path, max_bytes: int, proxy: str | None = None, total_s: float | None = None
) -> None:
    """Fetch the one video at ``url`` into ``folder``, all through ``proxy`` where one is named.

    Raises VideoUnavailable with the reason, and NetworkTrouble for what may pass.
    """
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import YoutubeDLError

    end = None if total_s is None else time.monotonic() + total_s

    def watch(status: Mapping[str, Any]) -> None:
        if max(status.get("total_bytes") or 0, status.get("downloaded_bytes") or 0) > max_bytes:
            raise too_large(url, max_bytes)
        if end is not None and time.monotonic() > end:
            raise too_slow(url)

    options = _options(folder) | {"progress_hooks": [watch]} | ({"proxy": proxy} if proxy else {})
    try:
        with YoutubeDL(options) as ytdl:
            ytdl.process_ie_result(_one(ytdl.extract_info(url, download=False), url), download=True)
    except (YoutubeDLError, ValueError) as error:
        why, passing = _reason(error, url)
        raise failed(url, why, passing) from error


def check(url: str) -> None:
    """Raises VideoUnavailable for what leads nowhere."""
    try:
        parts = urlsplit(url)
        why = "" if parts.hostname and parts.port != 0 else "it names no host"
    except ValueError as error:
        why = str(error)
    if why:
        raise VideoUnavailable(f"{shown(url)}: this is no address that a video can be fetched from: {why}")


_NOISE = re.compile(r"^(?:ERROR: )?(?:\[[^\]]+\] )?|[;.] ?please report.*$| *\(caused by .*$", re.DOTALL)
"""Of yt-dlp's messages: the extractor's name, where to report it, and the errors behind an error."""
_STATUS = re.compile(r"HTTP Error (\d{3})")
_PIECE = "Got error: "
_SYSTEM = re.compile(r"\[Errno -?\d+\] ([^)\]'\"]+)")


def _reason(error: BaseException, url: str) -> tuple[str, bool]:
    """Why yt-dlp gave up, in one sentence, and whether that may pass."""
    from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError, TransportError
    from yt_dlp.utils import UnsupportedError

    for cause in _causes(error):
        match cause:
            case HTTPError():
                refused = denial(str(cause.reason))
                return refused or f"the server answered {cause.status} ({cause.reason})", (
                    refused is None and cause.status in PASSING
                )
            case UnsupportedError():
                return "no video was found there (Unsupported URL)", False
            case CertificateVerifyError():
                return "the server's certificate is not trusted", False
            case TransportError():
                return _unreached(str(cause))
    said = " ".join(_NOISE.sub("", str(error)).replace(url, "").split()).strip(" :") or type(error).__name__
    if refused := denial(said):
        return refused, False
    status = _STATUS.search(said)  # of a piece, of which it keeps the words alone
    return said, int(status[1]) in PASSING if status else _PIECE in said


def _unreached(text: str) -> tuple[str, bool]:
    if refused := denial(text):
        return refused, False
    system = _SYSTEM.search(text)
    said = system[1] if system is not None else text.partition(": ")[2] or text
    return untunnelled(text) or f"it cannot be reached: {said}", True


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what it came from, as yt-dlp keeps that: the last it said first."""
    while error is not None:
        yield error
        info = getattr(error, "exc_info", None) or (None, None)
        cause = getattr(error, "cause", None)
        after = info[1] if info[1] is not error else None
        error = after or (cause if isinstance(cause, BaseException) else None)


def _one(found: Mapping[str, Any] | None, url: str) -> Mapping[str, Any]:
    """The one video that ``found`` is, or lists. Raises VideoUnavailable."""
    if found is None:
        raise VideoUnavailable(f"{shown(url)}: there is no video")
    if found.get("is_live"):
        raise VideoUnavailable(f"{shown(url)} is live: analyse it when it has ended")
    if "entries" not in found:
        return found
    entries = list(found["entries"])
    if len(entries) != 1:
        raise VideoUnavailable(f"{shown(url)} is a list of videos: name each by an address of its own")
    first: Mapping[str, Any] = entries[0]
    return first


def _options(folder: Path) -> dict[str, Any]:
    """For yt-dlp, without ffmpeg: that would open what was fetched outside of the sandbox."""
    return {
        "outtmpl": str(folder / "video.%(ext)s").replace("%", "%%").replace("%%(ext)s", "%(ext)s"),
        "format": f"best[ext=mp4]{OURS}/best{OURS}",  # one file: merging streams would need a program that may not be there
        "ffmpeg_location": str(folder / "none"),
        "fixup": "never",
        "hls_prefer_native": True,
        "skip_unavailable_fragments": False,  # whole or not at all
        "postprocessors": [],
        "noplaylist": True,
        "playlist_items": "1:2",
        "extract_flat": "in_playlist",
        "updatetime": False,  # its age is what says whether it is fetched again
        "continuedl": True,
        "retries": 3,
        "socket_timeout": 20,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "color": "no_color",
        "logger": _Silent(),
    }


class _Silent:
    """Keeps yt-dlp from writing: its errors come back as exceptions."""

    def debug(self, _: str) -> None: ...
    def info(self, _: str) -> None: ...
    def warning(self, _: str) -> None: ...
    def error(self, _: str) -> None: ...
