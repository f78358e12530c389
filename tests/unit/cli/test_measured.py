"""What a component is said to cost: what the same cost before, or an interval; never what a run without work took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.compose import Machine
from cli.measured import Costs
from cli.options import Choice
from kadr.contracts.keys import jcs
from kadr.contracts.manifest import ComponentSummary, Manifest, RecordEntry
from kadr.contracts.run import ACQUIRE, NO_KEY, Record, RecordResult, RunStatus
from kadr.pipeline.admission import Asked, admit
from kadr.pipeline.spec import SourceRef
from kadr.storage import layout
from kadr.storage.results import ResultId

ONE, TWO = "1" * 64, "2" * 64
WHOLE = (0, 60_000)
KEY = "a" * 64


@pytest.fixture
def machine(home: Path) -> Machine:
    return Machine()


def question(machine: Machine, **settings: Any) -> Any:
    return machine.question(Choice("standard", {"speech": settings}, ("speech",)).profile())


def ran(
    machine: Machine, video: str, seconds: float, words: int, heard_ms: int = 60_000, **settings: Any
) -> None:
    """A closed run about a minute of sound in ``video``: its speech took ``seconds`` and found ``words``."""
    store, asked = machine.store, question(machine, **settings)
    source = SourceRef("/v.mp4", 1, 1)
    request = admit(
        store, Asked(Path("/v.mp4"), asked.profile, asked.graph, asked.models), video, source
    ).request
    facts = ResultId("local", video, "probe", KEY, KEY)
    store.put(facts.json, jcs({"digest": KEY, "arrays": {}, "payload": {"duration_ms": WHOLE[1]}}))
    at = ResultId("local", video, "speech", KEY, f"{words:064}")
    header = {"digest": at.digest, "arrays": {"word_start_ms": {"dtype": "int64", "shape": [words]}}}
    store.put(at.json, jcs(header))
    made = RecordResult(name="speech", key=KEY, digest=at.digest)
    records = (
        Record(task=ACQUIRE, key=NO_KEY, results=(), video_id=video),
        Record(task="probe", key=KEY, results=(RecordResult(name="probe", key=KEY, digest=KEY),)),
        Record(task="voice", key=KEY, results=(), plan=((0, heard_ms, 0),)),
        Record(task="speech", key=KEY, results=(made,), seconds=seconds),
    )
    summary = ComponentSummary(
        stage="enrich", version=1, state="succeeded", tasks=1, computed=1, seconds=seconds
    )
    manifest = Manifest(
        kadr_version="1",
        request=request,
        graph=asked.graph,
        epoch=1,
        status=RunStatus.COMPLETE,
        components={"speech": summary},
        records=tuple(RecordEntry(name=r.task, record=r) for r in records),
    )
    store.put(layout.manifest_copy("local", request.run_id), jcs(manifest.model_dump(mode="json")))


def cost(machine: Machine, video: str, **settings: Any) -> tuple[float, float]:
    asked = question(machine, **settings)
    components = asked.profile.hashed()["components"]
    found = Costs.measured(machine.store).of(video, WHOLE, asked.graph, components, machine.catalogue)
    return found["speech"]


def declared(machine: Machine) -> float:
    models = question(machine).graph.node("speech").models
    return machine.catalogue.components["speech"].resources.cost(models)


def test_a_run_that_found_nothing_to_do_says_nothing_of_another(machine: Machine) -> None:
    usual = declared(machine)
    assert cost(machine, ONE) == (usual, usual)
    ran(machine, TWO, 0.4, words=0)
    assert cost(machine, ONE) == (usual, usual)
    assert cost(machine, TWO, vocabulary=["Kadr"]) == (usual, usual)
    assert cost(machine, TWO) == (0.4, 0.4)


def test_other_videos_and_other_settings_give_an_interval(machine: Machine) -> None:
    usual = declared(machine)
    ran(machine, TWO, usual / 4, words=9)
    assert cost(machine, ONE) == (usual / 4, usual)
    ran(machine, ONE, usual * 2, words=9)
    assert cost(machine, ONE) == (usual * 2, usual * 2)
    assert cost(machine, ONE, vocabulary=["Kadr"]) == (usual, usual * 2)


def test_speech_costs_what_it_took_for_the_time_in_which_there_are_voices(machine: Machine) -> None:
    ran(machine, ONE, 5.0, words=9, heard_ms=15_000)
    assert cost(machine, ONE) == (20.0, 20.0)
    ran(machine, TWO, 0.9, words=1, heard_ms=900)
    assert cost(machine, TWO, vocabulary=["Kadr"]) == (declared(machine), 20.0)
