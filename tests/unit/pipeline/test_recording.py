"""Records: what they rest on is kept from being collected while they are written."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.keys import sha256_json
from kadr.contracts.run import Record
from kadr.pipeline.collecting import GRACE_MS
from kadr.pipeline.recording import YOUNG_MS, lookup, record_cached, write_record
from kadr.pipeline.spec import SourceRef, TaskSpec
from kadr.pipeline.state import Wanted
from kadr.storage import layout
from kadr.storage.files import FileStore
from kadr.storage.results import ResultId, write_result

TOY = ArtifactSpec(name="toy", arrays={"t": ArraySpec(dtype="int64", dims=("N",))})
OLD_S = 40 * 86_400
NAMES = ("first", "second")
TASK = TaskSpec(
    owner="local",
    run_id="run",
    video_id="v" * 64,
    epoch=1,
    task="toy",
    component="toy",
    version=1,
    key="k" * 64,
    wanted=tuple(Wanted(name, sha256_json(name), {}) for name in NAMES),
    inputs=(),
    chunk=None,
    merge=False,
    gaps=(),
    params={},
    models=(),
    source=SourceRef("/video.mp4", 1, 1),
)


def written_long_ago(store: FileStore) -> dict[str, ResultId]:
    made = {}
    for wanted in TASK.wanted:
        artifact = Artifact({"t": np.arange(3)}, {})
        made[wanted.name] = write_result(
            store, TASK.owner, TASK.video_id, TASK.component, wanted.key, TOY, artifact, {}
        )
        os.utime(store.root / made[wanted.name].json, (time.time() - OLD_S,) * 2)
    return made


class Asked(FileStore):
    """Notes the objects that are read or made young."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked = list[str]()

    def get(self, name: str) -> bytes:
        self.asked.append(name)
        return super().get(name)

    def touch(self, name: str) -> None:
        self.asked.append(name)
        super().touch(name)


def old(store: FileStore, result: ResultId) -> bool:
    return time.time() - store.modified_ms(result.json) / 1000 > OLD_S / 2


def test_what_was_found_counts_as_new(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    made = written_long_ago(store)
    record_cached(store, TASK, lookup(store, TASK))
    assert not any(old(store, r) for r in made.values())


def test_what_was_found_of_a_task_that_was_run_counts_as_new(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    made = written_long_ago(store)
    found = {"first": lookup(store, TASK)["first"]}
    record = write_record(store, TASK, {"second": made["second"].digest}, found, 0, 1.0, "cpu", {})
    assert {r.name: r.cached for r in record.results} == {"first": True, "second": False}
    assert not old(store, made["first"])
    assert old(store, made["second"])  # its writer has just written it, in real life


def test_what_is_young_is_found_and_recorded_without_being_written_or_read_again(tmp_path: Path) -> None:
    """Nothing of it can be garbage for hours: one listing says so."""
    store = Asked(tmp_path)
    for wanted in TASK.wanted:
        artifact = Artifact({"t": np.arange(3)}, {})
        write_result(store, TASK.owner, TASK.video_id, TASK.component, wanted.key, TOY, artifact, {})
    record = record_cached(store, TASK, lookup(store, TASK))
    name = layout.record_ok(1, TASK.task, TASK.key, record.digest)
    assert store.asked == [layout.state_prefix(TASK.owner, TASK.run_id) + name], "whether it was recorded"


SPEC = replace(TASK, key="a" * 64)


def test_what_was_computed_is_written_without_looking_and_what_is_found_again_leaves_it(
    tmp_path: Path,
) -> None:
    store = Asked(tmp_path)
    artifact = Artifact({"t": np.arange(3)}, {})
    at = (SPEC.owner, SPEC.video_id, SPEC.component)
    made = {w.name: write_result(store, *at, w.key, TOY, artifact, {}).digest for w in SPEC.wanted}
    first = write_record(store, SPEC, made, {}, 0, 1.0, "cpu", {})
    assert not store.asked
    record_cached(store, SPEC, lookup(store, SPEC))  # the task came twice
    name = layout.state_prefix(SPEC.owner, SPEC.run_id) + layout.record_ok(
        1, SPEC.task, SPEC.key, first.digest
    )
    there = Record.model_validate_json(store.get(name))
    assert there.model_dump(mode="json") == first.model_dump(mode="json")


@given(age_s=st.one_of(st.integers(-86_400, 86_400), st.integers(0, OLD_S)))
def test_what_was_recorded_cannot_be_garbage_for_hours(
    tmp_path_factory: pytest.TempPathFactory, age_s: int
) -> None:
    """However old it was when it was found, and whatever the clocks say of it."""
    store = FileStore(tmp_path_factory.mktemp("store"))
    for result in written_long_ago(store).values():
        os.utime(store.root / result.json, (time.time() - age_s,) * 2)
    found = lookup(store, TASK)
    record_cached(store, TASK, found)
    for there in found.values():
        age_ms = time.time() * 1000 - store.modified_ms(there.result.json)
        assert abs(age_ms) <= YOUNG_MS + 60_000
        assert age_ms < GRACE_MS / 3
