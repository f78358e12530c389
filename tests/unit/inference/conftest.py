"""A small package index and file server on this machine, that can be told to misbehave."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kadr.contracts.model import ModelCard

PIECES = (b"first half " * 20_000, b"second half " * 15_000)
VOCABULARY = b'["a", "b"]'


class Site(ThreadingHTTPServer):
    """Serves ``files`` by path with byte ranges. ``cut`` ends the next bodies after so many bytes; ``seen`` has requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, tuple[bytes, str]] = {}
        self.cut: list[int] = []
        self.ranges = True
        self.seen: list[tuple[str, str | None]] = []
        self.authorised: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.seen.append((self.path, wanted))
        self.server.authorised.append(self.headers.get("Authorization"))
        body, kind = self.server.files.get(self.path, (b"", ""))
        if not kind:
            return self.send_error(404)
        start = int(re.findall(r"\d+", wanted)[0]) if wanted and self.server.ranges else 0
        if wanted and start >= len(body):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        end = start + self.server.cut.pop(0) if self.server.cut and len(body) > 1000 else len(body)
        self.wfile.write(body[start:end])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with two packages: each half of a model, the second with its vocabulary too."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for number, piece in enumerate(PIECES, start=1):
        with zipfile.ZipFile(folder / f"half_{number}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"half_{number}/data/model.bin.part{number}", piece)
            if number == 2:
                wheel.writestr("half_2/data/vocabulary.json", VOCABULARY)
    return folder


@pytest.fixture
def card(wheels: Path) -> ModelCard:
    whole = b"".join(PIECES)
    packages = [_package(wheels, number) for number in (1, 2)]
    parts = [_part("model.bin", n, f"model.bin.part{n}", piece) for n, piece in enumerate(PIECES, start=1)]
    return ModelCard.model_validate(
        {
            "name": "two_halves",
            "version": 3,
            "task": "test",
            "engine": "ctranslate2",
            "precision": "int8",
            "licence": "MIT",
            "file": "model.bin",
            "files": [_file("model.bin", whole), _file("vocabulary.json", VOCABULARY)],
            "preprocessing": {"text": "none"},
            "source": {
                "packages": packages,
                "parts": [*parts, _part("vocabulary.json", 2, "vocabulary.json", VOCABULARY)],
            },
        }
    )


def _file(name: str, data: bytes) -> dict[str, object]:
    return {"name": name, "sha256": sha256(data), "size": len(data)}


def _part(file: str, number: int, name: str, data: bytes) -> dict[str, object]:
    facts = {"sha256": sha256(data), "size": len(data)}
    return {"file": file, "package": f"half-{number}", "member": f"half_{number}/data/{name}", **facts}


def _package(wheels: Path, number: int) -> dict[str, object]:
    archive = wheels / f"half_{number}-1.0-py3-none-any.whl"
    data = archive.read_bytes()
    facts = {"sha256": sha256(data), "size": len(data)}
    return {"name": f"half-{number}", "version": "1.0", "archive": archive.name, **facts}


@pytest.fixture(params=["json", "html"])
def index(site: Site, wheels: Path, request: pytest.FixtureRequest) -> str:
    """URL of an index with the two packages, in either of the forms that indexes have."""
    for archive in wheels.iterdir():
        data = archive.read_bytes()
        site.files[f"/files/{archive.name}"] = (data, "application/octet-stream")
        name = archive.name.partition("-")[0].replace("_", "-")
        site.files[f"/simple/{name}/"] = _listing(request.param, archive.name, sha256(data))
    return f"{site.url}/simple/"


def _listing(form: str, archive: str, digest: str) -> tuple[bytes, str]:
    if form == "json":
        listed = {"filename": archive, "url": f"../../files/{archive}", "hashes": {"sha256": digest}}
        return json.dumps({"files": [listed]}).encode(), "application/vnd.pypi.simple.v1+json"
    return f'<a href="../../files/{archive}#sha256={digest}">{archive}</a>'.encode(), "text/html"
