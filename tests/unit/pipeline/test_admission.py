"""Which run answers a question: found, resumed, tried again or new; and what a kill leaves of a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.compose import Machine
from cli.options import Choice
from kadr.contracts.keys import jcs, sha256_json
from kadr.contracts.run import Done, Request, RunStatus
from kadr.pipeline.admission import Asked, admit, draft, find, runs_of
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.graph import holds
from kadr.pipeline.spec import SourceRef
from kadr.settings import Settings
from kadr.storage import layout
from kadr.storage.files import FileStore

OWNER = layout.LOCAL_OWNER
VIDEO_ID = "0" * 64
SOURCE = SourceRef("/v.mp4", 1, 1)
MACHINE = Machine(Settings())


def asked(refresh: bool = False, machine: Machine = MACHINE, required: tuple[str, ...] = ()) -> Asked:
    profile = Choice("standard", only=("loudness",)).profile()
    question = machine.question(profile.model_copy(update={"required": required or profile.required}))
    return Asked(Path(SOURCE.path), question.profile, question.graph, question.models, refresh)


def opened(store: FileStore, question: Asked, age_ms: int) -> Request:
    """A run of ``question``, asked ``age_ms`` ago."""
    drafted = draft(question, VIDEO_ID, SOURCE)
    request = drafted.model_copy(update={"created_ms": drafted.created_ms - age_ms})
    store.put(layout.run_marker(OWNER, VIDEO_ID, request.run_id), b"{}")
    store.put(layout.request(OWNER, request.run_id), jcs(request.model_dump(mode="json")))
    return request


def closed(store: FileStore, request: Request, status: RunStatus = RunStatus.COMPLETE) -> Request:
    """``request``, closed; of what was made there is nothing to be seen here."""
    manifest = sha256_json([request.run_id])
    done = Done(manifest=manifest, status=status, records=())
    name = layout.state_prefix(OWNER, request.run_id) + layout.done(1, manifest)
    store.put(name, jcs(done.model_dump(mode="json")))
    store.put(layout.manifest(OWNER, request.run_id, manifest), b"{}")
    return request


def upgraded(**changed: Any) -> Machine:
    """A machine with one component more than this, and with ``changed`` in the declaration of loudness."""
    machine = Machine(Settings())
    own = machine.catalogue.components
    news = own["loudness"].model_copy(update={"name": "news"})
    components = {**own, "news": news, "loudness": own["loudness"].model_copy(update=changed)}
    machine.catalogue = Catalogue(components=components)
    return machine


def answer(store: FileStore, question: Asked) -> tuple[str, str] | None:
    found = find(store, question, VIDEO_ID, SOURCE)
    return (found.how, found.request.run_id) if found else None


def test_a_plain_question_has_its_answer_though_a_refresh_is_open(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    refreshing = opened(store, asked(refresh=True), 1000)
    assert answer(store, asked()) == ("resumed", refreshing.run_id)  # better than to begin a third time
    complete = closed(store, opened(store, asked(), 2000))
    assert answer(store, asked()) == ("finished", complete.run_id)
    assert answer(store, asked(refresh=True)) == ("resumed", refreshing.run_id)


def test_an_open_refresh_goes_on_before_what_ended_otherwise_is_tried_again(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    partial = closed(store, opened(store, asked(), 2000), RunStatus.PARTIAL)
    assert answer(store, asked()) == ("retried", partial.run_id)
    refreshing = opened(store, asked(refresh=True), 1000)
    assert answer(store, asked()) == ("resumed", refreshing.run_id)


def test_what_else_the_catalogue_has_disturbs_no_run(tmp_path: Path) -> None:
    """Neither a component that was added nor another description of one of its own."""
    store, later = FileStore(tmp_path), upgraded(doc="Said better.")
    assert later.catalogue.digest != MACHINE.catalogue.digest
    going = opened(store, asked(), 1000)
    assert answer(store, asked(machine=later)) == ("resumed", going.run_id)
    assert holds(going, later.catalogue)
    closed(store, going)
    assert answer(store, asked(machine=later)) == ("finished", going.run_id)


def test_components_that_are_others_now_are_another_run(tmp_path: Path) -> None:
    store, later = FileStore(tmp_path), upgraded(version=MACHINE.catalogue.components["loudness"].version + 1)
    going = opened(store, asked(), 1000)
    assert not holds(going, later.catalogue)
    assert answer(store, asked(machine=later)) is None
    closed(store, going)
    assert answer(store, asked(machine=later)) is None


def test_an_open_run_is_not_ended_by_the_measure_of_another_question(tmp_path: Path) -> None:
    """What is required says how a run ends, and nothing of what it computes: what is complete answers all the same."""
    store, stricter = FileStore(tmp_path), asked(required=("probe", "loudness"))
    going = opened(store, asked(), 1000)
    assert answer(store, stricter) is None
    closed(store, going)
    assert answer(store, stricter) == ("finished", going.run_id)


class Killed(Exception):
    pass


@pytest.mark.parametrize("survived", [0, 1])
def test_a_run_is_found_by_its_video_or_there_is_none(tmp_path: Path, survived: int) -> None:
    """Whatever write a kill comes before, no request is left that its video does not lead to."""

    class Short(FileStore):
        left = survived

        def put(self, name: str, body: bytes) -> None:
            if not self.left:
                raise Killed
            self.left -= 1
            super().put(name, body)

    with pytest.raises(Killed):
        admit(Short(tmp_path), asked(), VIDEO_ID, SOURCE)
    store = FileStore(tmp_path)
    assert not list(store.list(layout.requests_prefix(OWNER)))
    assert not runs_of(store, OWNER, VIDEO_ID)
    assert admit(store, asked(), VIDEO_ID, SOURCE).how == "new"
    assert len(runs_of(store, OWNER, VIDEO_ID)) == 1
