"""What people open: the run's files copied beside the video."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from cli.sources import Video
from kadr.contracts.errors import StoreFailure
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Request
from kadr.pipeline.admission import load_objects
from kadr.pipeline.state import evaluate
from kadr.storage.files import FileStore, translated

MARK = "run.json"
"""Beside the files: which run and manifest they show."""


def folder(video: Video, out: Path | None, many: bool) -> Path:
    """Where a video's files go: ``NAME.kadr`` beside it, or in ``out`` (a folder each if there are several)."""
    name = f"{video.path.name}.kadr"
    if out is None:
        return video.home / name
    return out / name if many else out


def check_writable(out: Path) -> None:
    """Raises StoreFailure, before anything is spent, if results could not be put into ``out``."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreFailure(
            f"cannot write results to {out}: {error.strerror}; name another folder by --out"
        ) from error
    if not os.access(out, os.W_OK):
        raise StoreFailure(f"cannot write results to {out}: permission denied; name another folder by --out")


def href(video: Path, out: Path) -> str:
    """The video's URL relative to the report's folder."""
    return quote(os.path.relpath(video.absolute(), out.absolute()))


def current(store: FileStore, request: Request, out: Path, video_href: str) -> bool:
    """Whether ``out`` shows this run as it was closed last, and nothing is missing there."""
    try:
        mark = json.loads((out / MARK).read_text())
    except (OSError, ValueError):
        return False
    closed = evaluate(request, load_objects(store, request)).closed
    same = closed is not None and mark.get("manifest") == closed.manifest and mark.get("video") == video_href
    return same and all((out / name).is_file() for name in mark.get("files", [""]))


def deliver(store: FileStore, manifest: Manifest, files: Sequence[str], out: Path, video_href: str) -> None:
    """Copy the report's ``files`` to ``out``, the mark last. Raises StoreFailure, NoSpaceLeft."""
    names = []
    with translated(str(out)):
        for name in files:
            names.append(name.rpartition("/")[2])
            _write(out / names[-1], store.get(name))
        mark = {
            "run_id": manifest.request.run_id,
            "manifest": manifest.digest,
            "video": video_href,
            "files": names,
        }
        _write(out / MARK, json.dumps(mark, indent=1).encode())


def _write(path: Path, body: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(body)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
