"""Videos behind URLs, by yt-dlp: one file each, whole or not at all, kept as long as the profile calls an answer fresh."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.outputs import FULL
from kadr.contracts.errors import NoSpaceLeft, StoreFailure, VideoUnavailable
from kadr.storage.claims import FileClaims

GB = 10**9
DAY_S = 86_400
BUSY_WAIT_S = 0.5
UNFINISHED = (".part", ".ytdl")


@dataclass(frozen=True)
class Fetcher:
    """Fetches into ``folder``. ``ttl_days``: how long what was fetched is taken as it is (0: never, None: for ever)."""

    folder: Path
    note: Callable[[str], None]
    ttl_days: int | None = 3
    max_bytes: int = 20 * GB

    def __call__(self, url: str) -> Path:
        """The file behind ``url``. Raises VideoUnavailable with the reason, StoreFailure, NoSpaceLeft."""
        _check(url)
        name = hashlib.sha256(os.fsencode(url)).hexdigest()[:16]
        with _kept(url, self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone(name, url), _kept(url, self.folder):
            fresh = self._fresh(self.folder / name)
            return fresh or self._fetch(url, self.folder / name)

    @contextmanager
    def _alone(self, name: str, url: str) -> Iterator[None]:
        """One process at a time fetches a URL; the next then finds the file there."""
        claims, told = FileClaims(self.folder / "claims"), False
        while (claim := claims.take(name)) is None:
            if not told:
                self.note(f"waiting for another process that is fetching {url}")
            told = True
            time.sleep(BUSY_WAIT_S)
        try:
            yield
        finally:
            claim.release()

    def _fresh(self, folder: Path) -> Path | None:
        newest = max(_whole(folder), key=lambda p: p.stat().st_mtime, default=None)
        if newest is None or self.ttl_days is None:
            return newest
        return newest if time.time() - newest.stat().st_mtime < self.ttl_days * DAY_S else None

    def _fetch(self, url: str, folder: Path) -> Path:
        self.note(f"fetching {url}")
        part = folder.with_suffix(".part")
        if part.exists() and time.time() - part.stat().st_mtime > DAY_S:
            shutil.rmtree(part)  # what is behind the URL may have changed: two halves might not fit
        part.mkdir(parents=True, exist_ok=True)
        try:
            _download(url, part, self.max_bytes)
        finally:
            with suppress(OSError):  # it holds something, to go on with or to be taken
                part.rmdir()
        found = _whole(part)
        if not found:
            raise VideoUnavailable(f"{url}: nothing was fetched")
        folder.mkdir(exist_ok=True)
        final = folder / found[0].name
        os.utime(found[0])
        found[0].replace(final)
        for other in set(_whole(folder)) - {final}:
            other.unlink()
        shutil.rmtree(part)
        return final


def _whole(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("video.*") if p.suffix not in UNFINISHED and p.is_file())


@contextmanager
def _kept(url: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = NoSpaceLeft if error.errno in FULL else StoreFailure
        raise kind(
            f"{url} cannot be kept in {folder}: {error.strerror or error}; KADR_HOME says where to"
        ) from error


def _download(url: str, folder: Path, max_bytes: int) -> None:
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import YoutubeDLError

    def watch(status: Mapping[str, Any]) -> None:
        if max(status.get("total_bytes") or 0, status.get("downloaded_bytes") or 0) > max_bytes:
            raise VideoUnavailable(f"{url} is larger than {max_bytes / GB:g} GB: KADR_FETCH_GB lets in more")

    try:
        with YoutubeDL(_options(folder) | {"progress_hooks": [watch]}) as ytdl:
            ytdl.process_ie_result(_one(ytdl.extract_info(url, download=False), url), download=True)
    except (YoutubeDLError, ValueError) as error:
        raise VideoUnavailable(f"{url}: {_reason(error, url)}") from error


def _check(url: str) -> None:
    """Raises VideoUnavailable for what leads nowhere."""
    try:
        parts = urlsplit(url)
        why = "" if parts.hostname and parts.port != 0 else "it names no host"
    except ValueError as error:
        why = str(error)
    if why:
        raise VideoUnavailable(f"{url}: this is no address that a video can be fetched from: {why}")


_NOISE = re.compile(r"^(?:ERROR: )?(?:\[[^\]]+\] )?|[;.] ?please report.*$| *\(caused by .*$", re.DOTALL)
"""Of yt-dlp's messages: the extractor's name, where to report it, and the errors behind an error."""
_SYSTEM = re.compile(r"\[Errno -?\d+\] ([^)\]'\"]+)")


def _reason(error: BaseException, url: str) -> str:
    """Why yt-dlp gave up, in one sentence."""
    from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError, TransportError
    from yt_dlp.utils import UnsupportedError

    for cause in _causes(error):
        text = str(cause)
        system = _SYSTEM.search(text)
        match cause:
            case HTTPError():
                return f"the server answered {cause.status} ({cause.reason})"
            case UnsupportedError():
                return "no video was found there (Unsupported URL)"
            case CertificateVerifyError():
                return "the server's certificate is not trusted"
            case TransportError() if system is not None:
                return f"it cannot be reached: {system[1]}"
            case TransportError():
                return f"it cannot be reached: {text.partition(': ')[2] or text}"
    return " ".join(_NOISE.sub("", str(error)).replace(url, "").split()).strip(" :") or type(error).__name__


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
        raise VideoUnavailable(f"{url}: there is no video")
    if found.get("is_live"):
        raise VideoUnavailable(f"{url} is live: analyse it when it has ended")
    if "entries" not in found:
        return found
    entries = list(found["entries"])
    if len(entries) != 1:
        raise VideoUnavailable(f"{url} is a list of videos: name each by an address of its own")
    first: Mapping[str, Any] = entries[0]
    return first


def _options(folder: Path) -> dict[str, Any]:
    """For yt-dlp, without ffmpeg: that would open what was fetched outside of the sandbox."""
    return {
        "outtmpl": str(folder / "video.%(ext)s").replace("%", "%%").replace("%%(ext)s", "%(ext)s"),
        "format": "best[ext=mp4]/best",  # one file: merging streams would need a program that may not be there
        "ffmpeg_location": str(folder / "none"),
        "fixup": "never",
        "hls_prefer_native": True,
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
