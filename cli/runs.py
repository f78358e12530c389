"""Runs by what people call them: an id or its beginning, a video, a copy of it, a folder of results, or the newest of all."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

import click

from cli import outputs
from cli.sources import Video, path_of, shown
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.run import Request
from kadr.pipeline.admission import asked_ms, identify, read_request, runs_of
from kadr.pipeline.state import RunState
from kadr.storage import layout
from kadr.storage.files import FileStore

RUN_ID = re.compile(r"^[0-9a-f][0-9a-f-]{3,35}$")
NO_RUNS = "there are no runs yet: make one with `kadr analyze VIDEO`"
DELIVERED = (outputs.MARK, *outputs.FILES)


@dataclass(frozen=True)
class Named:
    """A run under the name that was asked for: of several copies of a video, one is named, and one the run looked at.

    ``folder``: where its report is looked for first.
    """

    request: Request
    path: Path
    title: str
    folder: Path

    @classmethod
    def of(cls, request: Request, path: Path | None = None, folder: Path | None = None) -> Named:
        """``request`` as of the file at ``path``, by default the one that it looked at."""
        looked_at = path_of(request.source)
        same = path is None or path.absolute().as_uri() == request.source
        video, title = (looked_at, request.source_name) if path is None or same else (path, shown(path.name))
        beside = outputs.folder(Video(video, title, video.parent), None, many=False)
        return cls(request, video, title, folder or beside)

    def files(self, store: FileStore, state: RunState) -> dict[str, Path]:
        """The report's files: in its folder if that shows this run, else in the store; empty if there are none."""
        if state.closed is None:
            return {}
        request, manifest = self.request, state.closed.manifest
        try:
            mark = json.loads((self.folder / outputs.MARK).read_text())
            if mark["manifest"] == manifest:
                return {n: self.folder / n for n in mark["files"] if (self.folder / n).is_file()}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        prefix = layout.report_file(request.owner, request.run_id, manifest, "")
        return {name.removeprefix(prefix): store.root / name for name in store.list(prefix)}


def find(store: FileStore, named: str | None) -> Named:
    """The run that ``named`` means. Raises ObjectMissing, VideoUnreadable, click.UsageError if it may mean several."""
    if named is None:
        return Named.of(newest(store, requests(store), NO_RUNS))
    if (found := _delivered(store, Path(named))) is not None:
        return found
    if os.path.isdir(named):
        raise ObjectMissing(
            f"{named} is a folder without results: name a run, a video, or a folder NAME.kadr"
        )
    if os.path.exists(named):
        path = Path(named)
        command = shlex.join(["kadr", "analyze", named])
        beside = outputs.folder(Video(path, "", path.parent), None, many=False)
        runs = _own(runs_of(store, layout.LOCAL_OWNER, video_id_of(store, path)), path, beside)
        if not runs:
            _delivered(
                store, beside
            )  # a run that was removed is said to be; one about other bytes is not meant
        nothing = f"{named} was not analysed yet: do it with `{command}`"
        return Named.of(newest(store, runs, nothing), path)
    if RUN_ID.match(named) and (ids := _ids(store, named)):
        if len(ids) > 1:
            raise click.UsageError(
                f"{len(ids)} runs begin with {named}: {', '.join(ids)}; write more of the id"
            )
        return Named.of(read_request(store, layout.LOCAL_OWNER, ids[0]))
    same = [r for r in requests(store) if r.source_name == named]
    removed = " any more (`kadr gc` may have removed it)" if RUN_ID.match(named) else ""
    nothing = f"no run and no file is called {named!r}{removed}: `kadr show --all` lists the runs"
    return Named.of(newest(store, same, nothing))


def newest_two(store: FileStore, named: str) -> tuple[Named | None, Named]:
    """The run that ``named`` means, and the newest one before it about the same file.

    Where a run about a copy of the file is all there is, it has that copy's name; None where there is none at all.
    """
    last = find(store, named)
    runs = runs_of(store, layout.LOCAL_OWNER, last.request.video_id or "")
    own = _about(runs, last.path, outputs.folder(Video(last.path, "", last.path.parent), None, many=False))
    asked = {r.run_id: _asked(store, r) for r in runs}
    latest = asked.get(last.request.run_id, _asked(store, last.request))
    older = sorted((r for r in runs if asked[r.run_id] < latest), key=lambda r: asked[r.run_id], reverse=True)
    before = next((r for r in older if r in own), next(iter(older), None))
    after = last if last.request in own else Named.of(last.request)
    if before is None:
        return None, after
    return Named.of(before, last.path if before in own else None), after


def _own(runs: list[Request], path: Path, beside: Path) -> list[Request]:
    """Those of ``runs`` that are about the file at ``path``; if none is, those about its copies."""
    return _about(runs, path, beside) or runs


def _about(runs: list[Request], path: Path, beside: Path) -> list[Request]:
    """Those of ``runs`` that looked at the file at ``path`` itself or are shown beside it."""
    shown_beside, uri = outputs.run_shown(beside), path.absolute().as_uri()
    return [r for r in runs if r.source == uri or r.run_id == shown_beside]


def _asked(store: FileStore, request: Request) -> tuple[int, str]:
    return asked_ms(store, request), request.run_id


def video_id_of(store: FileStore, path: Path) -> str:
    """Raises VideoUnreadable."""
    Video(path, shown(str(path)), path.parent).check()
    return identify(store, path, lambda _: None)[0]


def _delivered(store: FileStore, path: Path) -> Named | None:
    """The run that a folder of results, or a file in one, shows; None for anything else. Raises ObjectMissing."""
    folder = path if os.path.isdir(path) else path.parent if path.name in DELIVERED else None
    mark = None if folder is None else outputs.mark_in(folder)
    if folder is None or mark is None:
        return None
    run_id = str(mark["run_id"])
    try:
        request = read_request(store, layout.LOCAL_OWNER, run_id)
    except ObjectMissing as error:
        raise ObjectMissing(
            f"{folder} shows run {run_id}, which is not in {store.root} any more (`kadr gc` removed it, or KADR_HOME was "
            f"another): {folder / outputs.REPORT} can still be read; `kadr analyze` of the video makes a new run"
        ) from error
    video = Path(os.path.normpath(folder.absolute() / os.fsdecode(unquote_to_bytes(str(mark.get("video"))))))
    return Named.of(request, video if video.is_file() else None, folder)


def requests(store: FileStore) -> Iterator[Request]:
    """Of all runs that can be read."""
    for run_id in _ids(store, ""):
        try:
            yield read_request(store, layout.LOCAL_OWNER, run_id)
        except ObjectMissing:  # `kadr gc` dropped it meanwhile
            continue
        except InvalidObject as error:
            print(f"skipped: {error}", file=sys.stderr)


def _ids(store: FileStore, beginning: str) -> list[str]:
    prefix = layout.state_prefix(layout.LOCAL_OWNER, beginning).removesuffix("/")
    ids = {layout.run_of(name) for name in store.list(prefix) if name.endswith("/request.json")}
    return sorted(run_id for run_id in ids if run_id is not None)


def newest(store: FileStore, runs: Iterable[Request], nothing: str) -> Request:
    """The one that answered last. Raises ObjectMissing, saying ``nothing``, if there is none."""
    found = max(runs, key=lambda r: _asked(store, r), default=None)
    if found is None:
        raise ObjectMissing(nothing)
    return found
