"""Running one task: a component sees of a shared pack what it asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import REGISTRY, Chunk, Frames, Stage, Whole, component
from kadr.contracts.keys import sha256_json
from kadr.contracts.media import FrameStream
from kadr.contracts.packs import FRAME_PACK
from kadr.contracts.run import Edge
from kadr.pipeline import catalogue
from kadr.pipeline.graph import build
from kadr.pipeline.profiles import load_profile, normalise
from kadr.pipeline.runner import Busy, Shell, run_task
from kadr.pipeline.spec import TaskSpec
from kadr.pipeline.state import Input, Wanted
from kadr.storage.claims import FileClaim, FileClaims
from kadr.storage.files import FileStore
from kadr.storage.results import ResultId, read_result, write_result
from tests.media_files import packs_of, scenery, write_video
from tests.unit.pipeline.test_recording import TASK

SIGHT = ArtifactSpec(
    name="sight",
    arrays={"t_ms": ArraySpec(dtype="int64", dims=("F",)), "size": ArraySpec(dtype="int64", dims=("F", "2"))},
)


@pytest.fixture
def sight(monkeypatch: pytest.MonkeyPatch) -> str:
    """A component that reads as ocr does, and tells when and how large the pictures were."""

    @component("sight", version=1, stage=Stage.VISUAL, scope=Chunk("probe"), reads=OCR_READS, makes=SIGHT)
    def seen(frames: FrameStream) -> Artifact:
        batches = list(frames)
        sizes = [image.shape[1::-1] for batch in batches for image in batch.images]
        times = np.concatenate([batch.t_ms for batch in batches])
        return Artifact({"t_ms": times, "size": np.array(sizes, dtype=np.int64)}, {"step_ms": frames.step_ms})

    monkeypatch.setitem(REGISTRY, "sight", REGISTRY.pop("sight"))
    monkeypatch.setitem(sys.modules, "functions.sight.component", ModuleType("functions.sight.component"))
    return "sight"


OCR_READS = Frames(fps=1, long_side=1280)


def edge_of_ocr() -> Edge:
    """As the planner makes it."""
    profile = normalise(load_profile("standard"), catalogue.load(), lambda name: f"signature of {name}")
    (edge,) = build(profile, catalogue.load()).node("ocr").edges
    return edge


def test_a_component_gets_its_view_of_a_shared_pack(sight: str, tmp_path: Path) -> None:
    source = write_video(
        tmp_path / "v.mkv", [scenery(i, (1280, 720)) for i in range(5)], times_ms=[0, 500, 1000, 1500, 2000]
    )
    ((chunk, (pack,)),) = packs_of(source, OCR_READS)
    assert pack["t_ms"].tolist() == [0, 500, 1000, 1500, 2000]
    store = FileStore(tmp_path / "store")
    at = (TASK.owner, TASK.video_id)
    made = write_result(store, *at, "decode", sha256_json("pack"), FRAME_PACK, FRAME_PACK.checked(pack), {})
    wanted = Wanted(sight, sha256_json(sight), {})
    spec: TaskSpec = replace(
        TASK,
        task=sight,
        component=sight,
        wanted=(wanted,),
        inputs=(Input(edge_of_ocr(), "decode", made.key, made.digest, chunk),),
        chunk=chunk,
    )
    record = run_task(Shell(store, FileClaims(tmp_path / "claims"), lambda _: {}, "cpu"), spec)
    (result,) = record.results
    found = read_result(store, ResultId(*at, sight, result.key, result.digest))
    assert found["t_ms"].tolist() == [0, 1000, 2000]
    assert found["size"].tolist() == [[1280, 720]] * 3
    assert found.payload["step_ms"] == 1000


class Lapsed(FileClaims):
    """Its claims go on to others while they are held."""

    def take(self, key: str) -> FileClaim | None:
        claim = super().take(key)
        if claim is not None:
            claim.held = lambda: False  # type: ignore[method-assign]
        return claim


@pytest.fixture
def number(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], int]]:
    """A component that reads nothing and gives the number of the last of these."""
    gives: list[Callable[[], int]] = []
    spec = ArtifactSpec(name="number", arrays={})

    @component("number", version=1, stage=Stage.VISUAL, scope=Whole(), reads=(), makes=spec)
    def made() -> Artifact:
        return Artifact({}, {"n": gives[-1]()})

    monkeypatch.setitem(REGISTRY, "number", REGISTRY.pop("number"))
    monkeypatch.setitem(sys.modules, "functions.number.component", ModuleType("functions.number.component"))
    return gives


NUMBER = replace(
    TASK, task="number", component="number", wanted=(Wanted("number", sha256_json("number"), {}),)
)


def other_result(store: FileStore, n: int) -> str:
    """What somebody else made of the same key."""
    at = (NUMBER.owner, NUMBER.video_id, "number", NUMBER.wanted[0].key)
    return write_result(store, *at, ArtifactSpec(name="number", arrays={}), Artifact({}, {"n": n}), {}).digest


@pytest.mark.parametrize("other", range(4))
def test_whose_claim_lapsed_records_the_smallest_that_is_there(
    number: list[Callable[[], int]], tmp_path: Path, other: int
) -> None:
    store = FileStore(tmp_path / "store")
    theirs = list[str]()

    def meanwhile() -> int:
        theirs.append(other_result(store, other))
        return 7

    number.append(meanwhile)
    record = run_task(Shell(store, Lapsed(tmp_path / "claims"), lambda _: {}, "cpu"), NUMBER)
    own = other_result(store, 7)
    assert record.results[0].digest == min(own, *theirs)


def test_a_result_that_is_there_is_recorded_and_one_that_is_claimed_is_waited_for(
    number: list[Callable[[], int]], tmp_path: Path
) -> None:
    store, claims = FileStore(tmp_path / "store"), FileClaims(tmp_path / "claims")
    shell = Shell(store, claims, lambda _: {}, "cpu")
    claim = claims.take(NUMBER.wanted[0].key)
    assert claim is not None
    with pytest.raises(Busy):
        run_task(shell, NUMBER)
    theirs = other_result(store, 1)
    claim.release()
    record = run_task(shell, NUMBER)
    assert (record.cached, record.results[0].digest) == (True, theirs)
