"""Records: what they rest on is kept from being collected while they are written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.keys import sha256_json
from kadr.pipeline.recording import record_cached, write_record
from kadr.pipeline.spec import SourceRef, TaskSpec
from kadr.pipeline.state import Wanted
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


def old(store: FileStore, result: ResultId) -> bool:
    return time.time() - store.modified_ms(result.json) / 1000 > OLD_S / 2


def test_what_was_found_counts_as_new(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    made = written_long_ago(store)
    record_cached(store, TASK, {name: r.digest for name, r in made.items()})
    assert not any(old(store, r) for r in made.values())


def test_what_was_found_of_a_task_that_was_run_counts_as_new(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    made = written_long_ago(store)
    digests = {name: r.digest for name, r in made.items()}
    record = write_record(store, TASK, digests, frozenset({"first"}), 0, 1.0, "cpu", {})
    assert {r.name: r.cached for r in record.results} == {"first": True, "second": False}
    assert not old(store, made["first"])
    assert old(store, made["second"])  # its writer has just written it, in real life
