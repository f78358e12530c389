"""What never changes is asked for once; what may change, or is damaged, is asked for each time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kadr.contracts.errors import ObjectMissing
from kadr.contracts.keys import jcs
from kadr.contracts.run import Record, RecordResult
from kadr.pipeline.epochs import is_sound
from kadr.storage import layout
from kadr.storage.files import FileStore
from kadr.storage.remembering import Remembering, is_result, is_state

OWNER, RUN = "anna", "r" * 32
DIGEST = "d" * 64
RESULT = layout.result_json(OWNER, "a" * 64, "quality", "b" * 64, DIGEST)


class Asked(FileStore):
    """Counts the bodies that it is asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.bodies = Counter[str]()

    def get(self, name: str) -> bytes:
        self.bodies[name] += 1
        return super().get(name)


@pytest.fixture
def store(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def steering(store: FileStore, **told: bytes) -> Remembering:
    return Remembering(store, is_state, is_sound, lambda name: told.get(name.rpartition("/")[2][:5]))


def written(
    store: FileStore, task: str = "probe", remade: int = 0, seconds: float = 1.0
) -> tuple[str, bytes]:
    result = RecordResult(name=task, key="b" * 64, digest=DIGEST, cached=False)
    record = Record(task=task, key="b" * 64, results=(result,), remade=remade, seconds=seconds)
    name = layout.state_prefix(OWNER, RUN) + layout.record_ok(1, task, record.key, record.digest)
    body = jcs(record.model_dump(mode="json"))
    store.put(name, body)
    return name, body


def test_a_record_is_read_once_and_a_listing_says_whether_it_is_there(store: Asked) -> None:
    name, body = written(store)
    seen = steering(store)
    assert [seen.get(name) for _ in range(3)] == [body] * 3
    assert store.bodies[name] == 1
    store.delete(name)  # by somebody else
    assert list(seen.list(layout.state_prefix(OWNER, RUN))) == []
    assert not seen.exists(name)


def test_what_is_written_here_is_not_read_and_what_is_deleted_here_is_gone(store: Asked) -> None:
    name, body = written(store)
    seen = steering(store)
    seen.put(name, body)
    assert seen.get(name) == body
    assert not store.bodies
    seen.delete(name)
    with pytest.raises(ObjectMissing):
        seen.get(name)


def test_what_its_writer_told_is_not_read(store: Asked) -> None:
    name, body = written(store)
    told = {name.rpartition("/")[2][:5]: body}
    assert steering(store, **told).get(name) == body
    assert not store.bodies


def test_of_a_run_whose_results_were_made_again_nothing_is_remembered(store: Asked) -> None:
    """A record that comes out as once before has its name again and says more."""
    first, _ = written(store)
    other, _ = written(store, "quality", remade=1)
    seen = steering(store)
    seen.get(first)
    seen.get(other)
    _, again = written(store, remade=2)
    assert seen.get(first) == again


@pytest.mark.parametrize("body", [b"", b"[]", b'{"task": ', b'{"task": "probe"}', b"\xff"])
def test_a_damaged_record_is_read_again(store: Asked, body: bytes) -> None:
    name, whole = written(store)
    seen = steering(store)
    store.put(name, body)
    assert seen.get(name) == body
    store.put(name, whole)  # put back by whoever noticed
    assert seen.get(name) == whole


def test_requests_and_the_manifest_for_people_are_read_each_time(store: Asked) -> None:
    """While a request is there, so is its run; the copy of the last manifest changes."""
    seen = steering(store)
    for name in (layout.request(OWNER, RUN), layout.manifest_copy(OWNER, RUN)):
        store.put(name, b"{}")
        assert [seen.get(name) for _ in range(2)] == [b"{}"] * 2
        assert store.bodies[name] == 2
    fixed = layout.manifest(OWNER, RUN, DIGEST)
    store.put(fixed, b"{}")
    assert [seen.get(fixed) for _ in range(2)] == [b"{}"] * 2
    assert store.bodies[fixed] == 1


def test_a_results_json_is_read_once_if_it_is_the_one_that_its_name_says(store: Asked) -> None:
    seen = Remembering(store, is_result)
    store.put(RESULT, b'{"digest": "another"}')
    assert [seen.get(RESULT) for _ in range(2)] == [b'{"digest": "another"}'] * 2
    store.put(RESULT, jcs({"digest": DIGEST}))
    assert [seen.get(RESULT) for _ in range(2)] == [jcs({"digest": DIGEST})] * 2
    assert store.bodies[RESULT] == 3


def test_the_oldest_goes_when_there_is_no_room(store: Asked) -> None:
    names = [written(store, task)[0] for task in ("probe", "quality", "shots")]
    room = len(store.get(names[0])) * 2 + 40
    store.bodies.clear()
    seen = Remembering(store, is_state, is_sound, most_bytes=room)
    for name in names:
        seen.get(name)
    seen.get(names[2])
    assert store.bodies[names[2]] == 1
    seen.get(names[0])
    assert store.bodies[names[0]] == 2
