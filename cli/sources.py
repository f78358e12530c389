"""What people name on the command line, as video files: paths, globs, and URLs fetched by yt-dlp."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kadr.contracts.errors import VideoUnavailable, VideoUnreadable

SIDECARS = (".srt", ".vtt")


@dataclass(frozen=True)
class Video:
    """A file to analyse. ``home``: where its results go by default (a fetched file's are not put beside it)."""

    path: Path
    title: str
    home: Path

    @property
    def sidecar(self) -> Path | None:
        """Captions with the video's own name beside it."""
        found = (self.path.with_suffix(s) for s in SIDECARS)
        return next((p for p in found if p.is_file()), None)


def resolve(named: Sequence[str], downloads: Path, note: Callable[[str], None]) -> list[Video]:
    """The videos that ``named`` means, in order, each once. Raises VideoUnreadable, VideoUnavailable."""
    found: dict[Path, Video] = {}
    for name in named:
        for video in _one(name, downloads, note):
            found.setdefault(video.path.absolute(), video)
    return list(found.values())


def _one(name: str, downloads: Path, note: Callable[[str], None]) -> list[Video]:
    if name.startswith(("http://", "https://")):
        return [fetch(name, downloads, note)]
    path = Path(name)
    if path.is_dir():
        raise VideoUnreadable(f"{name} is a folder: name its videos, e.g. '{name.rstrip('/')}/*.mp4'")
    if path.exists() or not glob.has_magic(name):
        return [Video(path, path.name, path.parent)]
    paths = sorted(p for p in map(Path, glob.glob(name, recursive=True)) if p.is_file())
    if not paths:
        raise VideoUnreadable(f"no file matches {name}")
    return [Video(p, p.name, p.parent) for p in paths]


def fetch(url: str, downloads: Path, note: Callable[[str], None]) -> Video:
    """The video behind ``url``, fetched once. Raises VideoUnavailable with yt-dlp's own reason."""
    folder = downloads / hashlib.sha256(url.encode()).hexdigest()[:16]
    have = sorted(p for p in folder.glob("video.*") if p.suffix not in (".part", ".ytdl"))
    if not have:
        note(f"fetching {url}")
        _download(url, folder)
        have = sorted(folder.glob("video.*"))
    if not have:
        raise VideoUnavailable(f"{url}: nothing was fetched")
    return Video(have[0], url, Path.cwd())


def _download(url: str, folder: Path) -> None:
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import DownloadError

    options: dict[str, Any] = {
        "outtmpl": str(folder / "video.%(ext)s"),
        "format": "best[ext=mp4]/best",  # one file: merging streams would need a program that may not be there
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "noplaylist": True,
        "continuedl": True,
        "retries": 3,
        "socket_timeout": 20,
        "logger": _Silent(),
    }
    try:
        with YoutubeDL(options) as ytdl:
            ytdl.download([url])
    except DownloadError as error:
        raise VideoUnavailable(f"{url}: {str(error).removeprefix('ERROR: ')}") from error


class _Silent:
    """Keeps yt-dlp from writing: its errors come back as exceptions."""

    def debug(self, _: str) -> None: ...
    def info(self, _: str) -> None: ...
    def warning(self, _: str) -> None: ...
    def error(self, _: str) -> None: ...
