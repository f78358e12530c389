"""What people name on the command line, as video files: paths, globs, and URLs that are fetched."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from kadr.contracts.errors import KadrError, VideoUnreadable

SIDECARS = (".srt", ".vtt")
SCHEMES = ("http", "https")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
LABEL_LENGTH, HASH_LENGTH = 50, 8

Fetch = Callable[[str], Path]
"""A URL to its file. Raises KadrErrors."""


@dataclass(frozen=True)
class Video:
    """A file to analyse; or, with ``error``, a name behind which there is none, and why.

    ``home``: where its results go by default (a fetched file's are not put beside it); ``label``: what their folder is
    called after, by default the file.
    """

    path: Path
    title: str
    home: Path
    label: str = ""
    error: KadrError | None = None

    def check(self) -> None:
        """Raises ``error``, if there is one."""
        if self.error is not None:
            raise self.error

    @property
    def sidecar(self) -> Path | None:
        """Captions with the video's own name beside it."""
        found = (self.path.with_suffix(s) for s in SIDECARS)
        return next((p for p in found if os.path.isfile(p)), None)


def resolve(named: Sequence[str], fetch: Fetch) -> list[Video]:
    """The videos that ``named`` means, in order, each once; what means none is there with its error."""
    found: dict[Path, Video] = {}
    for name in named:
        for video in _means(name, fetch):
            found.setdefault(video.path.absolute(), video)
    return list(found.values())


def _means(name: str, fetch: Fetch) -> list[Video]:
    try:
        return _one(name, fetch)
    except KadrError as error:
        return [Video(Path(name), shown(name), Path(), error=error)]


def _one(name: str, fetch: Fetch) -> list[Video]:
    if (address := _ADDRESS.match(name)) and not os.path.exists(name):
        scheme = address[1].lower()
        if scheme not in SCHEMES:
            also = f": name the file itself, as {unquote(address[2])}" if scheme == "file" else ""
            raise VideoUnreadable(
                f"{name}: only addresses with {' or '.join(SCHEMES)} are fetched, not {scheme}{also}"
            )
        return [Video(fetch(name), shown(name), Path.cwd(), label_of(name))]
    if os.path.isdir(name):
        raise VideoUnreadable(f"{name} is a folder: name its videos, e.g. '{name.rstrip('/')}/*.mp4'")
    if os.path.exists(name) or not glob.has_magic(name):
        return [_file(Path(name))]
    paths = sorted(p for p in map(Path, glob.glob(name, recursive=True)) if os.path.isfile(p))
    if not paths:
        raise VideoUnreadable(f"no file matches {name}")
    return [_file(p) for p in paths]


def _file(path: Path) -> Video:
    return Video(path, shown(path.name), path.parent)


def shown(name: str) -> str:
    """``name`` as Unicode text: bytes that are not UTF-8 are shown as ``?``."""
    return name.encode("utf-8", "replace").decode()


def path_of(uri: str) -> Path:
    """The file that a ``file:`` URI names, byte for byte: names need not be UTF-8."""
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(uri).path)))


def label_of(url: str) -> str:
    """A folder name for what was fetched from ``url``: the last part of its path, or its host, and digits of its hash."""
    last = re.split(r"[?#]", url, maxsplit=1)[0].rstrip("/").rpartition("/")[2].rpartition("@")[2]
    readable = re.sub(r"[^\w.-]+", "-", unquote(last)).strip("-.")[:LABEL_LENGTH]
    return f"{readable or 'video'}-{short_hash(url)}"


def short_hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:HASH_LENGTH]
