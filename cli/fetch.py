"""Videos behind URLs, by yt-dlp: one file each, whole or not at all, kept as long as the profile calls an answer fresh."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.outputs import FULL
from events.egress.errors import NetworkTrouble
from events.egress.ytdlp import GB as GB
from events.egress.ytdlp import check, download, whole
from kadr.contracts.errors import NoSpaceLeft, StoreFailure, VideoUnavailable
from kadr.storage.claims import FileClaims

DAY_S = 86_400
BUSY_WAIT_S = 0.5


@dataclass(frozen=True)
class Fetcher:
    """Fetches into ``folder``. ``ttl_days``: how long what was fetched is taken as it is (0: never, None: for ever)."""

    folder: Path
    note: Callable[[str], None]
    ttl_days: int | None = 3
    max_bytes: int = 20 * GB

    def __call__(self, url: str) -> Path:
        """The file behind ``url``. Raises VideoUnavailable with the reason, StoreFailure, NoSpaceLeft."""
        check(url)
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
        newest = max(whole(folder), key=lambda p: p.stat().st_mtime, default=None)
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
            download(url, part, self.max_bytes)
        except NetworkTrouble as error:
            raise VideoUnavailable(str(error)) from error
        finally:
            with suppress(OSError):  # it holds something, to go on with or to be taken
                part.rmdir()
        found = whole(part)
        if not found:
            raise VideoUnavailable(f"{url}: nothing was fetched")
        folder.mkdir(exist_ok=True)
        final = folder / found[0].name
        os.utime(found[0])
        found[0].replace(final)
        for other in set(whole(folder)) - {final}:
            other.unlink()
        shutil.rmtree(part)
        return final


@contextmanager
def _kept(url: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = NoSpaceLeft if error.errno in FULL else StoreFailure
        raise kind(
            f"{url} cannot be kept in {folder}: {error.strerror or error}; KADR_HOME says where to"
        ) from error
