"""Finding a pinned file in a package index: the JSON of PEP 691, or the HTML of PEP 503 from indexes that have no other."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

from inference.web import FetchFailed, Web, redacted
from kadr.contracts.errors import ModelDigestMismatch
from kadr.contracts.model import Package

ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
PIP_TIMEOUT_S = 60
CONFIG_ORDER = (":env:", "download", "global")
"""Where pip looks for an option of `pip download`, first match first."""


@dataclass(frozen=True)
class PipSettings:
    """What this environment's pip would use. ``cafile`` is None unless pip is told of a certificate file."""

    index_url: str
    cafile: str | None = None


def pip_settings() -> PipSettings:
    """Ask pip itself, in a process of its own. Raises FetchFailed when there is no pip to ask."""
    config = dict(line.split("=", 1) for line in _pip("config", "list").splitlines() if "=" in line)
    index_url = _option(config, "index-url") or _built_in_index()
    return PipSettings(index_url, _option(config, "cert"))


def default_index_url() -> str:
    """The index that this environment's pip is configured with. Raises FetchFailed when there is no pip to ask."""
    return pip_settings().index_url


def _option(config: dict[str, str], name: str) -> str | None:
    found = (config[f"{place}.{name}"] for place in CONFIG_ORDER if f"{place}.{name}" in config)
    quoted = next(found, None)
    return None if quoted is None else str(ast.literal_eval(quoted.strip()))


def _built_in_index() -> str:
    found = re.search(r"--index-url.*?\(default\s+(\S+?)\)", _pip("download", "--help"), re.DOTALL)
    if found is None:
        raise FetchFailed(
            "pip does not say which package index it uses: give an index URL, or a folder of packages"
        )
    return found[1]


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False)
    if done.returncode:
        raise FetchFailed(
            f"pip cannot be asked for its package index ({done.stderr.strip() or done.returncode}): "
            "give an index URL, or a folder of packages"
        )
    return done.stdout


@dataclass(frozen=True)
class Listed:
    """A file as the index lists it."""

    url: str
    sha256: str | None


def archive_url(web: Web, index_url: str, package: Package) -> str:
    """URL of the package's pinned file. Raises FetchFailed if it is not listed, ModelDigestMismatch if it is another."""
    name = re.sub(r"[-_.]+", "-", package.name).lower()
    page = f"{index_url.rstrip('/')}/{name}/"
    body, content_type = web.get(page, ACCEPT)
    listed = _listing(body, content_type, page)
    found = listed.get(package.archive)
    if found is None:
        raise FetchFailed(
            f"{redacted(page)} does not list {package.archive}, but {sorted(listed) or 'nothing'}"
        )
    if found.sha256 and found.sha256 != package.sha256:
        raise ModelDigestMismatch(
            f"the index lists {package.archive} with SHA-256 {found.sha256}, the card expects {package.sha256}: "
            "nothing was downloaded. Use another index, or give a folder with the file that the card names"
        )
    return found.url


def _listing(body: bytes, content_type: str, page: str) -> dict[str, Listed]:
    if "json" in content_type:
        files = json.loads(body)["files"]
        return {f["filename"]: Listed(urljoin(page, f["url"]), f["hashes"].get("sha256")) for f in files}
    links = _Links()
    links.feed(body.decode("utf-8", errors="replace"))
    return dict(_link(urljoin(page, href)) for href in links.found)


def _link(url: str) -> tuple[str, Listed]:
    bare, fragment = urldefrag(url)
    sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
    return bare.rpartition("/")[2], Listed(bare, sha256)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self.found.append(href)
