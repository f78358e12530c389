"""What is removed as damaged is damaged when it goes, and nobody is making it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Record, RecordResult
from kadr.pipeline.closing import compile_manifest
from kadr.pipeline.recording import acquired
from kadr.pipeline.state import evaluate
from kadr.pipeline.verifying import Finding, Verdict, dropped, stored
from kadr.storage import layout
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore
from kadr.storage.results import ResultId, write_result
from tests.unit.pipeline.toy import request

SPEC = ArtifactSpec(name="toy", arrays={"t": ArraySpec(dtype="int64", dims=("N",))})


class Made:
    """A run that made what ``probe`` makes, in a store."""

    def __init__(self, root: Path) -> None:
        self.store, self.claims = FileStore(root), FileClaims(root / "claims")
        self.request = request()
        first = acquired(self.request)
        objects = {layout.record_ok(1, first.task, first.key, first.digest): first}
        probe = evaluate(self.request, objects).tasks["probe"]
        assert probe.key is not None
        self.wanted = probe.wanted
        self.results = {w.name: self.write(n) for n, w in enumerate(probe.wanted)}
        found = tuple(RecordResult(name=n, key=r.key, digest=r.digest) for n, r in self.results.items())
        record = Record(task="probe", key=probe.key, results=found, plan=((0, 1000, 0),))
        objects[layout.record_ok(1, record.task, record.key, record.digest)] = record
        self.manifest: Manifest = compile_manifest(self.request, evaluate(self.request, objects))

    def write(self, number: int) -> ResultId:
        """As the worker does that holds the claim."""
        wanted, video_id = self.wanted[number], self.request.video_id
        artifact = Artifact({"t": np.arange(9 + number)}, {})
        assert video_id is not None
        where = ("local", video_id, "probe", wanted.key)
        return write_result(self.store, *where, SPEC, artifact, wanted.ingredients)

    def damage(self, name: str) -> ResultId:
        path = self.store.root / self.results[name].npz
        body = bytearray(path.read_bytes())
        body[len(body) // 2] ^= 1
        path.write_bytes(body)
        return self.results[name]

    def look(self) -> list[Finding]:
        return list(stored(self.store, self.manifest))

    def drop(self, findings: list[Finding]) -> list[tuple[str, Verdict, bool]]:
        found = dropped(self.store, self.claims, self.manifest, findings)
        return [(f.output, f.verdict, removed) for f, removed in found]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_what_is_damaged_goes_and_nothing_else(made: Made) -> None:
    at = made.damage("plan")
    assert made.drop(made.look()) == [("plan", Verdict.DAMAGED, True)]
    assert not made.store.exists(at.json)
    assert not made.store.exists(at.npz)
    assert [f.verdict for f in made.look()] == [Verdict.IDENTICAL, Verdict.MISSING]


def test_what_was_healed_since_it_was_looked_at_stays(made: Made) -> None:
    made.damage("probe")
    at = made.damage("plan")
    before = made.look()
    made.write(1)
    assert made.drop(before) == [("probe", Verdict.DAMAGED, True), ("plan", Verdict.IDENTICAL, False)]
    assert made.store.exists(at.npz)


def test_what_somebody_makes_again_at_this_moment_is_left_to_him(made: Made) -> None:
    at = made.damage("plan")
    claim = made.claims.take(at.key)
    assert claim is not None
    assert made.drop(made.look()) == [("plan", Verdict.DAMAGED, False)]
    assert made.store.exists(at.json)
    claim.release()
    assert made.drop(made.look()) == [("plan", Verdict.DAMAGED, True)]
    assert not made.claims.is_held(at.key)
