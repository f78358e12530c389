"""When a question makes a run of its own, and when one that is there answers it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.compose import Machine
from events.admission import Admission, KeyReused, Submission
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.contracts.run import Request
from kadr.pipeline.admission import read_request
from kadr.storage import layout
from kadr.storage.files import FileStore

URL = "https://v.example/v.mp4"
PINNED = "s3://raw/v.mp4?versionId=7"
PROFILE = Profile(components=("loudness",))


def asking(source: str = URL, event_id: str = "1", **more: Any) -> Submission:
    return Submission("anna", source, "v.mp4", event_id, **more)


class Desk:
    """An admission whose index knows the first run of each question as finished."""

    def __init__(self, store: FileStore) -> None:
        self.store = store
        self.told = list[str]()
        self.known = dict[tuple[str, str, str], str]()
        self.admission = Admission(store, Machine().question, PROFILE, self.told.append, self.finished)

    def finished(self, owner: str, source: str, config_hash: str, days: int | None) -> str | None:
        return self.known.get((owner, source, config_hash))

    def ended(self, asked: Submission) -> Request:
        made = self.admission.admit(asked).request
        self.known[made.owner, made.source, made.config_hash] = made.run_id
        return made


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(FileStore(tmp_path / "store"))


@pytest.mark.parametrize("source", [URL, PINNED])
def test_the_finished_run_of_the_same_question_answers(desk: Desk, source: str) -> None:
    first = desk.ended(asking(source))
    again = desk.admission.admit(asking(source, "2"))
    assert (again.request, again.finished) == (first, True)
    assert len(desk.told) == len(list(desk.store.list("state/"))) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"refresh": True},
        {"callback_url": "https://c.example/"},
        {"profile": {"components": ["loudness"], "cache_ttl_days": 0}},
        {"profile": {"components": ["shots"]}},
        {"source": "s3://raw/v.mp4"},
        {"source": "kadr:///inbox/anna/v.mp4?etag=e"},
    ],
    ids=str,
)
def test_a_new_run_where_one_is_wanted_or_the_bytes_may_be_others(desk: Desk, more: dict[str, Any]) -> None:
    first = desk.ended(asking(more.pop("source", URL)))
    again = desk.admission.admit(asking(first.source, "2", **more))
    assert not again.finished
    assert again.request.run_id != first.run_id
    assert len(desk.told) == 2


def test_a_finished_run_that_was_removed_or_is_of_other_components_answers_nothing(desk: Desk) -> None:
    first = desk.ended(asking())
    name = layout.request("anna", first.run_id)
    (node, *rest) = first.graph.nodes
    older = first.graph.model_copy(update={"nodes": (node.model_copy(update={"version": 0}), *rest)})
    for number, body in enumerate(
        (jcs(first.model_copy(update={"graph": older}).model_dump(mode="json")), b"{")
    ):
        desk.store.put(name, body)
        assert not desk.admission.admit(asking(event_id=f"a{number}")).finished
    desk.store.delete(name)
    assert not desk.admission.admit(asking(event_id="3")).finished


def test_under_one_key_there_is_one_run_and_one_question(desk: Desk) -> None:
    asked = asking("kadr:///inbox/anna/v.mp4?etag=e", meta={"order": 7}, exact=True)
    first = desk.admission.admit(asked).request
    assert desk.admission.admit(asked).request == first == read_request(desk.store, "anna", first.run_id)
    assert desk.admission.admit(replace(asked, owner="bert")).request.run_id != first.run_id
    others: list[dict[str, Any]] = [
        {"meta": {}},
        {"priority": 1},
        {"source": URL},
        {"profile": {"components": ["shots"]}},
    ]
    for other in others:
        with pytest.raises(KeyReused, match="Idempotency-Key"):
            desk.admission.admit(replace(asked, **other))
    event = replace(asked, exact=False)
    assert desk.admission.admit(replace(event, priority=1)).request == first
