"""Videos behind URLs, by yt-dlp: one file each, whole or not at all, kept as long as the profile calls an answer fresh."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        """The file behind ``url``. Raises VideoUnavailable with yt-dlp's own reason, StoreFailure, NoSpaceLeft."""
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
        _download(url, part, self.max_bytes)
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
        reason = str(error).removeprefix("ERROR: ").partition("; please report")[0]
        raise VideoUnavailable(f"{url}: {reason}") from error


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
