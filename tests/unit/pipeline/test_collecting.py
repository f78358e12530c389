"""Garbage: what goes and what stays, also when runs write while it is being removed."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from pydantic import BaseModel

from kadr.contracts.keys import jcs, sha256_json
from kadr.contracts.run import Done, Record, RecordResult, Request, RunStatus
from kadr.pipeline.admission import DAY_MS
from kadr.pipeline.collecting import GRACE_MS, Ages, Garbage, Kind, garbage
from kadr.storage import layout
from kadr.storage.files import FileStore
from kadr.storage.results import ResultId
from tests.unit.pipeline.toy import request

OWNER = layout.LOCAL_OWNER
OLD_S = 40 * 86_400
AGES = Ages(7 * DAY_MS, None, GRACE_MS)
DROPPING = Ages(7 * DAY_MS, 30 * DAY_MS, GRACE_MS)


class Counted(FileStore):
    """A store that counts what is read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: Counter[str] = Counter()

    def get(self, name: str) -> bytes:
        self.read[name] += 1
        return super().get(name)


@pytest.fixture
def store(tmp_path: Path) -> Counted:
    return Counted(tmp_path / "store")


def put(store: FileStore, name: str, body: bytes | BaseModel = b"{}", old: bool = True) -> str:
    store.put(name, body if isinstance(body, bytes) else jcs(body.model_dump(mode="json")))
    if old:
        then = time.time() - OLD_S
        os.utime(store.root / name, (then, then))
    return name


def result(store: FileStore, video: int, number: int) -> ResultId:
    key = sha256_json([video, number])
    made = ResultId(OWNER, sha256_json(["video", video]), "quality", key, sha256_json([key]))
    put(store, made.json, jcs({"digest": made.digest, "retention": "kept"}))
    return made


def begin(store: FileStore, run_id: str, video_id: str, old: bool = False) -> Request:
    opened = request().model_copy(update={"run_id": run_id, "video_id": video_id})
    put(store, layout.request(OWNER, run_id), opened, old)
    put(store, layout.run_marker(OWNER, video_id, run_id), old=old)
    return opened


def record(store: FileStore, run: Request, hit: ResultId, old: bool = False) -> str:
    of = RecordResult(name=hit.component, key=hit.key, digest=hit.digest, cached=True)
    made = Record(task=hit.component, key=hit.key, results=(of,))
    at = layout.record_ok(1, made.task, made.key, made.digest)
    return put(store, layout.state_prefix(OWNER, run.run_id) + at, made, old)


def closed(store: FileStore, run_id: str, video_id: str) -> Request:
    """A run that ended long ago, with its manifest."""
    run = begin(store, run_id, video_id, old=True)
    done = Done(manifest="d" * 64, status=RunStatus.COMPLETE, records=())
    put(store, layout.state_prefix(OWNER, run_id) + layout.done(1, done.manifest), done)
    put(store, layout.manifest_copy(OWNER, run_id))
    return run


def going(store: FileStore, ages: Ages = AGES, held: str = "") -> Iterator[Garbage]:
    return garbage(
        store, OWNER, ages, time.time_ns() // 1_000_000, lambda run_id: nullcontext(run_id != held)
    )


def names(groups: Iterator[Garbage] | list[Garbage]) -> set[str]:
    return {name for group in groups for name in group.names}


def test_what_a_run_records_while_others_are_removed_stays(store: Counted) -> None:
    """A hit between two groups: by its record, and by the age of what was found."""
    made = [result(store, 1, n) for n in range(4)]
    groups = going(store)
    first = next(groups)
    assert first.kind is Kind.UNREFERENCED
    kept = [r for r in made if r.json not in first.names][-2:]
    record(store, begin(store, "new", kept[0].video_id), kept[0])
    os.utime(store.root / kept[1].json)
    gone = names([first, *groups])
    assert gone & {r.json for r in made} == {r.json for r in made} - {r.json for r in kept}


def test_a_video_that_a_run_marks_while_others_are_removed_stays(store: Counted) -> None:
    ids = [sha256_json(["video", n]) for n in range(3)]
    for video_id in ids:
        put(store, layout.video_reference(OWNER, video_id))
        put(store, layout.alias(OWNER, "a" * 64, video_id))
    groups = going(store)
    first = next(groups)
    left = [v for v in ids if layout.video_reference(OWNER, v) not in first.names]
    begin(store, "new", left[1])
    assert names([first, *groups]) == {
        n
        for v in ids
        if v != left[1]
        for n in (layout.video_reference(OWNER, v), layout.alias(OWNER, "a" * 64, v))
    }


@pytest.mark.parametrize("removed", range(1, 4))
def test_what_an_interrupted_collection_left_of_a_run_goes_with_the_next(
    store: Counted, removed: int
) -> None:
    run = closed(store, "dropped", "f" * 64)
    everything = {n for top in ("state", "runs", "videos") for n in store.list(f"{top}/{OWNER}/")}
    (group,) = going(store, DROPPING)
    assert set(group.names) == everything
    for name in group.names[:removed]:
        store.delete(name)
    (rest,) = going(store)  # runs need not be asked for: there is none any more
    assert rest.kind is Kind.RUN
    for name in rest.names:
        store.delete(name)
    assert not [n for n in everything if store.exists(n)]
    assert run.run_id == "dropped"


def test_a_late_record_of_no_run_is_left_for_a_day(store: Counted) -> None:
    hit = result(store, 1, 1)
    late = record(store, request(), hit)
    os.utime(store.root / late)
    assert names(going(store)) == {hit.json}


def test_a_run_that_a_process_works_on_stays(store: Counted) -> None:
    closed(store, "rendered", "f" * 64)
    assert not list(going(store, DROPPING, held="rendered"))
    assert [g.kind for g in going(store, DROPPING)] == [Kind.RUN]


def test_stray_files_are_passed_over(store: Counted) -> None:
    for folder in ("aliases", "videos", "state", "runs", "results"):
        for below in ("", "x/", "x/y/", "x/runs/"):
            (store.root / folder / OWNER / below).mkdir(parents=True, exist_ok=True)
            (store.root / folder / OWNER / below / ".DS_Store").touch()
    hit = result(store, 1, 1)
    assert names(going(store, DROPPING)) == {hit.json}


def test_each_record_is_read_once(store: Counted) -> None:
    run = closed(store, "kept", sha256_json(["video", 1]))
    records = [record(store, run, result(store, 1, n), old=True) for n in range(5)]
    for number in range(5, 8):
        result(store, 1, number)
    assert len(list(going(store, DROPPING, held="kept"))) == 3
    assert {store.read[name] for name in records} == {1}


def test_what_only_waits_for_its_age_is_told_with_what_is_missing(store: Counted) -> None:
    run = closed(store, "closed", "f" * 64)
    begin(store, "open", "e" * 64)
    unreferenced = result(store, 1, 1)
    yesterday = time.time() - 86_400 + 3600
    for name in (unreferenced.json, *store.list(layout.state_prefix(OWNER, run.run_id))):
        os.utime(store.root / name, (yesterday, yesterday))
    later: list[tuple[Kind, int]] = []
    now_ms = time.time_ns() // 1_000_000

    def tell(group: Garbage, left_ms: int) -> None:
        later.append((group.kind, round(left_ms / 3_600_000)))

    gone = list(garbage(store, OWNER, DROPPING, now_ms, lambda _: nullcontext(True), tell))
    assert not {unreferenced.json} & names(gone)
    assert later == [(Kind.RUN, 29 * 24 + 1), (Kind.UNREFERENCED, 1)]
