"""What people open: the run's files copied beside the video."""

from __future__ import annotations

import errno
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from cli.sources import Video, short_hash
from kadr.contracts.errors import NoSpaceLeft, StoreFailure
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Request, RunStatus
from kadr.pipeline.admission import load_objects
from kadr.pipeline.state import evaluate
from kadr.storage import layout
from kadr.storage.files import FileStore, temporary

MARK, REPORT = "run.json", "report.html"
"""Beside the files: which run and manifest they show."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def folder(video: Video, out: Path | None, many: bool) -> Path:
    """Where a video's files go: ``NAME.kadr`` beside it, or in ``out`` (a folder each if there are several)."""
    name = f"{video.label or video.path.name}.kadr"
    if out is None:
        return video.home / name
    return out / name if many else out


def folders(videos: Sequence[Video], out: Path | None) -> list[Path]:
    """One folder for each of ``videos``, whatever their order; those that would share one have digits of their path's hash.

    Raises click.UsageError should even these agree.
    """
    places = [folder(v, out, many=len(videos) > 1) for v in videos]
    taken = Counter(map(_same, places))
    own = [
        p if taken[_same(p)] == 1 else p.with_name(f"{p.stem}-{short_hash(str(v.path.absolute()))}.kadr")
        for v, p in zip(videos, places, strict=True)
    ]
    if twice := [p for p, n in Counter(map(_same, own)).items() if n > 1]:
        raise click.UsageError(f"two of the videos would write {twice[0]}: analyse one of them apart")
    return own


def _same(path: Path) -> str:
    """Equal for names that some file systems take for one."""
    return unicodedata.normalize("NFC", str(path.absolute())).casefold()


def check_writable(out: Path) -> None:
    """Raises StoreFailure, before anything is spent, if results could not be put into ``out``."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(out, str(error.strerror)) from error
    if not os.access(out, os.W_OK):
        raise _unwritable(out, "permission denied")


def _unwritable(out: Path, why: str) -> StoreFailure:
    return StoreFailure(f"cannot write results to {out}: {why}; name another folder by --out")


def href(video: Path, out: Path) -> str:
    """The video's URL relative to the report's folder."""
    return quote(os.fsencode(os.path.relpath(video.absolute(), out.absolute())))


def kept_in(store: FileStore, request: Request, manifest: str = "0" * 64) -> Path:
    """The folder of the store that a run's files lie in; all of a run's manifests' are equally deep."""
    return store.root / layout.report_file(request.owner, request.run_id, manifest, "").rstrip("/")


def current(store: FileStore, request: Request, out: Path | None, video_href: str) -> bool:
    """Whether ``out`` (None: the store) shows this run as it was closed last, and nothing is missing there."""
    closed = evaluate(request, load_objects(store, request)).closed
    if out is None:
        return closed is not None and (kept_in(store, request, closed.manifest) / REPORT).is_file()
    mark = _mark(out)
    if mark is None:
        return False
    same = closed is not None and mark.get("manifest") == closed.manifest and mark.get("video") == video_href
    return same and all((out / name).is_file() for name in mark.get("files", [""]))


def place(out: Path, manifest: Manifest) -> Path:
    """Where this run's files go: ``out``, unless a failed run would replace what a better one found there.

    Raises StoreFailure when there are files in ``out`` that Kadr did not write.
    """
    mark = _mark(out)
    if mark is None and (out / REPORT).exists():
        raise StoreFailure(f"{out / REPORT} was not written by Kadr: name another folder by --out")
    better = mark is not None and mark.get("status") in (RunStatus.COMPLETE, RunStatus.PARTIAL)
    if manifest.status is RunStatus.FAILED and better:
        return out / f"failed-{manifest.request.run_id[:8]}"
    return out


def run_shown(folder: Path) -> str | None:
    """The id of the run whose files lie in ``folder``."""
    run_id = (_mark(folder) or {}).get("run_id")
    return run_id if isinstance(run_id, str) else None


def _mark(out: Path) -> dict[str, Any] | None:
    try:
        mark = json.loads((out / MARK).read_text())
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) else None


def deliver(store: FileStore, manifest: Manifest, files: Sequence[str], out: Path, video_href: str) -> None:
    """Copy the report's ``files`` to ``out``, the mark last. Raises StoreFailure, NoSpaceLeft."""
    names = [name.rpartition("/")[2] for name in files]
    mark = {
        "run_id": manifest.request.run_id,
        "manifest": manifest.digest,
        "status": manifest.status.value,
        "video": video_href,
        "files": names,
    }
    bodies = {n: store.get(name) for n, name in zip(names, files, strict=True)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, body in (bodies | {MARK: json.dumps(mark, indent=1).encode()}).items():
            _write(out / name, body)
    except OSError as error:
        kept = "the run itself is kept: free some, or name another folder by --out, and run the same command"
        if error.errno in FULL:
            raise NoSpaceLeft(f"no space left in {out} for the results; {kept}") from error
        raise _unwritable(out, str(error.strerror)) from error


def write_file(path: Path, body: bytes) -> None:
    """Write what a person named a place for, whole or not at all. Raises StoreFailure, NoSpaceLeft."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, body)
    except OSError as error:
        if error.errno in FULL:
            raise NoSpaceLeft(f"no space left for {path}: free some, or name another place") from error
        raise StoreFailure(f"cannot write {path}: {error.strerror}; name another place") from error


def _write(path: Path, body: bytes) -> None:
    """Whole or not at all; a link that stands in its place is replaced, not followed."""
    with temporary(path.parent) as (file, made):
        file.write(body)
        file.flush()
        made.replace(path)
