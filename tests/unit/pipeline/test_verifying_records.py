"""What a run wrote of itself and lost is named, and told from what is whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.verification import Verification
from cli.verify import _print
from kadr.contracts.errors import InvalidObject
from kadr.contracts.keys import jcs
from kadr.pipeline.admission import heal, load_objects
from kadr.pipeline.closing import ByLock, close
from kadr.pipeline.state import evaluate
from kadr.pipeline.verifying import Finding, Verdict
from kadr.pipeline.verifying_records import manifest_found, records_lost
from kadr.storage import layout
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore
from tests.unit.pipeline.toy import Objects, World, play, request


@dataclass(frozen=True)
class Closed:
    """The store of a run that was closed, with the files of its records by task and of its manifest."""

    store: FileStore
    records: dict[str, Path]
    manifest: Path

    def lost(self) -> list[Finding]:
        return list(records_lost(self.store, request()))


@pytest.fixture
def closed(tmp_path: Path) -> Closed:
    store, asked = FileStore(tmp_path), request()
    objects: Objects = {}
    play(asked, objects, World())
    prefix = layout.state_prefix(asked.owner, asked.run_id)
    for name, body in objects.items():
        store.put(prefix + name, jcs(body.model_dump(mode="json")))
    manifest = close(store, ByLock(FileClaims(tmp_path / "claims")), asked, 1)
    assert manifest is not None
    records = {e.record.task: store.root / (prefix + e.name) for e in manifest.records if e.record}
    return Closed(store, records, store.root / layout.manifest(asked.owner, asked.run_id, manifest.digest))


def found(closed: Closed) -> Verification:
    state = evaluate(request(), load_objects(closed.store, request()))
    manifest, own = manifest_found(closed.store, request(), state)
    return Verification(manifest, [], only_stored=True, own=[*own, *closed.lost()])


def test_a_whole_run_has_lost_nothing(closed: Closed) -> None:
    assert (found(closed).own, found(closed).exit_code) == ([], 0)


def test_each_record_that_was_removed_or_damaged_is_named_until_it_is_put_back(
    closed: Closed, capsys: pytest.CaptureFixture[str]
) -> None:
    closed.records["pcm"].unlink()
    body = closed.records["titles"].read_bytes()
    closed.records["titles"].write_bytes(body[:-9])
    said = found(closed)
    assert {(f.task, f.verdict) for f in said.own} == {("pcm", Verdict.MISSING), ("titles", Verdict.DAMAGED)}
    assert said.exit_code == 1
    _print(said)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == [
        "missing: record of pcm: it was removed; the manifest still holds it",
        "damaged: record of titles: it was damaged; the manifest still holds it",
        "2 records of run run are not as they were recorded.",
    ]
    assert heal(closed.store, request()) == 2
    assert closed.records["titles"].read_bytes() == body
    assert found(closed).exit_code == 0


@pytest.mark.parametrize("how", ["damaged", "removed"])
def test_a_manifest_that_was_compiled_again_is_told_once(
    closed: Closed, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body = closed.manifest.read_bytes()
    closed.manifest.write_bytes(body[:-9])
    if how == "removed":
        closed.manifest.unlink()
    said = found(closed)
    assert (closed.manifest.read_bytes(), said.exit_code) == (body, 1)
    _print(said)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].endswith(f": manifest: it was {how}, and was compiled again from the run's records")
    assert lines[-1] == "The manifest of run run is not as it was recorded."
    assert found(closed).exit_code == 0


def test_a_run_that_lost_its_manifest_and_a_record_is_lost(closed: Closed) -> None:
    closed.manifest.unlink()
    closed.records["pcm"].unlink()
    with pytest.raises(InvalidObject, match="analyse the video again"):
        found(closed)
