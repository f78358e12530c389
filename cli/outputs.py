"""What people open: the run's files copied beside the video."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from cli.sources import Video, short_hash
from kadr.contracts.errors import KadrError, NoSpaceLeft, StoreFailure
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Request, RunStatus
from kadr.pipeline.admission import load_objects
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.state import evaluate
from kadr.storage import layout
from kadr.storage.files import FileStore, temporary

MARK, REPORT = "run.json", "report.html"
"""Beside the files: which run and manifest they show."""
FILES = (REPORT, "insights.json", "insights.schema.json", "captions.vtt")
"""What a finished run puts beside its mark."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WouldReplace(KadrError):
    """A file is there already and holds something else."""

    status = 409


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


def check_writable(out: Path, option: str = "--out") -> None:
    """Raises StoreFailure, before anything is spent, if results could not be put into ``out``, which ``option`` names."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise _unwritable(out, "it is a file, not a folder", option) from error
    except OSError as error:
        raise _unwritable(out, str(error.strerror), option) from error
    if not os.access(out, os.W_OK):
        raise _unwritable(out, "permission denied", option)


def check_own(out: Path, names: Iterable[str] = FILES) -> None:
    """Raises StoreFailure if one of the files that would be put into ``out`` is there already and is not Kadr's."""
    mark = mark_in(out)
    ours = {MARK, *mark["files"]} if mark else set()
    for name in (MARK, *names):
        if name not in ours and os.path.lexists(out / name):
            raise StoreFailure(f"{out / name} was not written by Kadr: name another folder by --out")


def _unwritable(out: Path, why: str, option: str = "--out") -> StoreFailure:
    return StoreFailure(f"cannot write results to {out}: {why}; name another folder by {option}")


def href(video: Path, out: Path) -> str:
    """The video's URL relative to the report's folder."""
    return quote(os.fsencode(os.path.relpath(video.absolute(), out.absolute())))


def kept_in(store: FileStore, request: Request, manifest: str = "0" * 64) -> Path:
    """The folder of the store that a run's files lie in; all of a run's manifests' are equally deep."""
    return store.root / layout.report_file(request.owner, request.run_id, manifest, "").rstrip("/")


def drawer(catalogue: Catalogue) -> str:
    """What draws reports here: the component and its version."""
    drawers = sorted(n for n, e in catalogue.components.items() if e.scope == "run")
    return f"{drawers[0]}-{catalogue.components[drawers[0]].version}" if drawers else ""


def current(store: FileStore, request: Request, out: Path | None, video_href: str, drawn_by: str) -> bool:
    """Whether ``out`` (None: the store) shows this run as it was closed last and would be drawn now, and nothing is missing.

    What draws reports now is told by ``drawn_by``; those in the store are taken as they are.
    """
    closed = evaluate(request, load_objects(store, request)).closed
    if out is None:
        return closed is not None and (kept_in(store, request, closed.manifest) / REPORT).is_file()
    mark = mark_in(out)
    if mark is None:
        return False
    wanted = {"manifest": closed and closed.manifest, "video": video_href, "drawn_by": drawn_by}
    return all(mark.get(k) == v for k, v in wanted.items()) and all(
        (out / name).is_file() for name in mark["files"]
    )


def place(out: Path, manifest: Manifest) -> Path:
    """Where this run's files go: ``out``, unless a failed run would replace what a better one found there."""
    mark = mark_in(out)
    better = mark is not None and mark.get("status") in (RunStatus.COMPLETE, RunStatus.PARTIAL)
    if manifest.status is RunStatus.FAILED and better:
        return out / f"failed-{manifest.request.run_id[:8]}"
    return out


def run_shown(folder: Path) -> str | None:
    """The id of the run whose files lie in ``folder``."""
    mark = mark_in(folder)
    return str(mark["run_id"]) if mark else None


def mark_in(out: Path) -> dict[str, Any] | None:
    """Kadr's own mark in the folder; None for a run.json of somebody else's."""
    try:
        mark = json.loads((out / MARK).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(mark, dict) or not isinstance(mark.get("files"), list):
        return None
    if not all(isinstance(s, str) for s in (mark.get("run_id"), mark.get("manifest"), *mark["files"])):
        return None
    return mark


def deliver(
    store: FileStore, manifest: Manifest, files: Sequence[str], out: Path, video_href: str, drawn_by: str
) -> None:
    """Copy the report's ``files`` to ``out``. Raises StoreFailure, NoSpaceLeft; before anything is written if it is not ours.

    A mark goes first that says whose the files are and is of no manifest yet, so that a delivery cut short is known for one and
    done again; the true one comes last.
    """
    names = [name.rpartition("/")[2] for name in files]
    mark = {
        "run_id": manifest.request.run_id,
        "manifest": manifest.digest,
        "status": manifest.status.value,
        "video": video_href,
        "drawn_by": drawn_by,
        "files": names,
    }
    bodies = {n: store.get(name) for n, name in zip(names, files, strict=True)}
    check_own(out, names)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write(out / MARK, _json(mark | {"manifest": ""}))
        for name, body in (bodies | {MARK: _json(mark)}).items():
            _write(out / name, body)
    except OSError as error:
        kept = "the run itself is kept: free some, or name another folder by --out, and run the same command"
        if error.errno in FULL:
            raise NoSpaceLeft(f"no space left in {out} for the results; {kept}") from error
        raise _unwritable(out, str(error.strerror)) from error


def _json(mark: Mapping[str, Any]) -> bytes:
    return json.dumps(mark, indent=1).encode()


def hand_over(files: Mapping[Path, bytes], force: bool, option: str) -> None:
    """Write what a person named places for by ``option``: each file whole or not at all, but into what is no regular file.

    Raises WouldReplace, StoreFailure before anything is written; StoreFailure, NoSpaceLeft.
    """
    streams = {path: body for path, body in files.items() if is_stream(path)}
    new = {p: body for p, body in files.items() if p not in streams and not _holds(p, body)}
    taken = [path for path in new if os.path.lexists(path)]
    if taken and not force:
        what_to_do = f"name another {option}, or replace it by --force"
        raise WouldReplace(f"{taken[0]} is there already and holds something else: {what_to_do}")
    for path in new:
        check_writable(path.parent, option)
    for path, body in (streams | new).items():
        try:
            _pour(path, body) if path in streams else _write(path, body)
        except OSError as error:
            if error.errno in FULL:
                raise NoSpaceLeft(f"no space left for {path}: free some, or name another {option}") from error
            raise StoreFailure(f"cannot write {path}: {error.strerror}; name another {option}") from error


def is_stream(path: Path) -> bool:
    """Whether bytes go into what has this name, which a file must not take the place of: a pipe, a device, an open file."""
    return _descriptor(path) is not None or not (path.is_file() or path.is_dir() or not path.exists())


def _descriptor(path: Path) -> int | None:
    """Of the open file that the name stands for."""
    number = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", str(path))
    return int(number[1]) if number else {"/dev/stdout": 1, "/dev/stderr": 2}.get(str(path))


def _holds(path: Path, body: bytes) -> bool:
    try:
        return path.read_bytes() == body
    except OSError:
        return False


def _pour(path: Path, body: bytes) -> None:
    """Into this process's own open file where the name stands for one, so that what is printed comes after it."""
    descriptor = _descriptor(path)
    sys.stdout.flush()
    with path.open("wb") if descriptor is None else open(descriptor, "wb", closefd=False) as stream:
        stream.write(body)


def _write(path: Path, body: bytes) -> None:
    """Whole or not at all; a link that stands in its place is replaced, not followed."""
    with temporary(path.parent) as (file, made):
        file.write(body)
        file.flush()
        made.replace(path)
