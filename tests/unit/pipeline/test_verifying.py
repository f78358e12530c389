"""What is removed as damaged is damaged when it goes, and nobody is making it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.verification import Verification
from cli.verify import _print, _said
from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Stage
from kadr.contracts.manifest import Manifest, RecordEntry
from kadr.contracts.run import Record, RecordResult
from kadr.pipeline.catalogue import Catalogue, Entry, OutputEntry
from kadr.pipeline.closing import compile_manifest
from kadr.pipeline.recording import acquired
from kadr.pipeline.state import evaluate
from kadr.pipeline.verifying import Finding, Verdict, dropped, stored
from kadr.storage import layout
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore
from kadr.storage.results import ResultId, write_result
from tests.unit.pipeline.toy import request

SPEC = ArtifactSpec(name="toy", arrays={"t": ArraySpec(dtype="int64", dims=("N",), unit="ms")})
PROBE = Entry(
    name="probe",
    version=1,
    stage=Stage.SEGMENTER,
    scope="whole",
    reads=(),
    outputs=(OutputEntry(spec=SPEC), OutputEntry(name="plan", spec=SPEC)),
    params={},
    needs={},
    doc="",
)
DECLARED = Catalogue(components={"probe": PROBE})


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


def told_otherwise(made: Made, name: str, change: Callable[[dict[str, Any]], object]) -> list[Finding]:
    """What is found where a result's record says something else beside its digest; its component declares SPEC."""
    at = made.store.root / made.results[name].json
    body = json.loads(at.read_text())
    change(body)
    at.write_text(json.dumps(body))
    return list(stored(made.store, made.manifest, DECLARED))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda b: b["schema"].update(name="toys"), "its schema is 'toys', and its component declares 'toy'"),
        (
            lambda b: b.update(retention="intermediate"),
            "its retention is 'intermediate', and its component declares 'kept'",
        ),
        (
            lambda b: b["arrays"]["t"].update(unit="s"),
            "its unit of t is 's', and its component declares 'ms'",
        ),
        (lambda b: b.update(npz_bytes=7), "its npz_bytes is 7, and the file has "),
        (lambda b: b.update(npz_bytes=0), "its npz_bytes is 0, and it has arrays"),
        (lambda b: b.update(npz_bytes=-1), "its npz_bytes is -1, and it has arrays"),
        (lambda b: b.update(npz_bytes=None), "its npz_bytes is None, and it has arrays"),
        (lambda b: b.update(npz_bytes=b["npz_bytes"] + 0.5), "its npz_bytes is "),
        (lambda b: b.pop("npz_bytes"), "its npz_bytes is not told"),
        (lambda b: b.update(key="0" * 64), "its key is '00000000"),
        (lambda b: b["schema"].update(major=1.5), "its schema's major version is 1.5, which is no whole"),
        (lambda b: b["schema"].update(major=True), "its schema's major version is True, which is no whole"),
        (lambda b: b["ingredients"].update(more=float("nan")), "it says what no digest can be made of"),
        (lambda b: b["payload"].update(more=2**60), "it says what no digest can be made of"),
        (lambda b: b["ingredients"].update(more=1), "its ingredients do not have the key in its name"),
    ],
)
def test_what_no_digest_covers_is_held_against_the_declaration(
    made: Made, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    assert {f.verdict for f in stored(made.store, made.manifest, DECLARED)} == {Verdict.IDENTICAL}
    found = {f.output: f for f in told_otherwise(made, "probe", change)}
    assert (found["probe"].verdict, found["plan"].verdict) == (Verdict.DAMAGED, Verdict.IDENTICAL)
    assert found["probe"].detail.startswith(said)


def taken(entry: RecordEntry) -> RecordEntry:
    """Its results as from the cache."""
    assert entry.record is not None
    results = tuple(r.model_copy(update={"cached": True}) for r in entry.record.results)
    return entry.model_copy(update={"record": entry.record.model_copy(update={"results": results})})


def test_a_record_may_lack_its_length_where_an_older_kadr_may_have_written_it(made: Made) -> None:
    assert told_otherwise(made, "probe", lambda b: b.pop("npz_bytes"))[0].verdict is Verdict.DAMAGED
    older = made.manifest.model_copy(update={"kadr_version": "0.2.0"})
    assert {f.verdict for f in stored(made.store, older)} == {Verdict.IDENTICAL}
    cached = made.manifest.model_copy(update={"records": tuple(map(taken, made.manifest.records))})
    assert {f.verdict for f in stored(made.store, cached)} == {Verdict.IDENTICAL}


def test_what_a_later_minor_version_adds_is_read(made: Made) -> None:
    found = told_otherwise(made, "probe", lambda b: (b.update(more=[1]), b["schema"].update(minor=9)))
    assert {f.verdict for f in found} == {Verdict.IDENTICAL}


def test_another_version_of_a_component_says_nothing_of_a_result(made: Made) -> None:
    newer = DECLARED.components["probe"].model_copy(update={"version": 2})
    changed = SPEC.model_copy(update={"name": "renamed"})
    newer = newer.model_copy(
        update={"outputs": (OutputEntry(spec=changed), OutputEntry(name="plan", spec=changed))}
    )
    found = stored(made.store, made.manifest, Catalogue(components={"probe": newer}))
    assert {f.verdict for f in found} == {Verdict.IDENTICAL}


def test_each_result_is_in_one_state_and_named_once(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    """Made again all came out the same: what the store has lost is lost all the same, and is not counted as identical."""
    made.damage("plan")
    (made.store.root / made.results["probe"].npz).unlink()
    again = [Finding("probe", "probe", name, Verdict.IDENTICAL) for name in ("probe", "plan")]
    found = Verification(
        made.manifest, made.look(), [*again, Finding("pcm", "pcm", "pcm", Verdict.IDENTICAL)]
    )
    assert Counter(f.verdict for f in found.results) == dict.fromkeys(
        (Verdict.IDENTICAL, Verdict.DAMAGED, Verdict.MISSING), 1
    )
    _print(found)
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["results", "of", "identical", "damaged", "missing"]
    assert [line.split() for line in said[1:3]] == [["probe", "1", "1"], ["pcm", "1"]]
    assert said[3].startswith("missing: probe: object results/local/")
    assert said[4].startswith("damaged: probe plan: ")
    assert said[5] == "2 results of run run are not as they were recorded."
    assert max(map(len, said)) < 120


def test_what_has_expired_is_not_said_to_be_there(made: Made) -> None:
    found = made.look()
    assert _said(Verification(made.manifest, found, only_stored=True)) == (
        "All 2 results of run run are in the store with the content recorded."
    )
    gone = [found[0], replace(found[1], verdict=Verdict.EXPIRED)]
    assert _said(Verification(made.manifest, gone, only_stored=True)) == (
        "1 result of run run is in the store with the content recorded; 1 has expired, and can be made again."
    )
