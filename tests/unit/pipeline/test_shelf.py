"""A run that looks for many results lists a component once, and records nothing that it has not just seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.artifact import Artifact
from kadr.contracts.keys import sha256_json
from kadr.pipeline.recording import lookup
from kadr.pipeline.shelf import Shelf
from kadr.pipeline.spec import TaskSpec
from kadr.pipeline.state import Wanted
from kadr.storage.files import FileStore
from kadr.storage.results import ResultId, write_result
from kadr.storage.store import Listed
from tests.unit.pipeline.test_recording import TASK, TOY


class Listing(FileStore):
    """Counts its listings."""

    count = 0

    def entries(self, prefix: str) -> Iterator[Listed]:
        self.count += 1
        return super().entries(prefix)


def task(number: int, *names: str, run_id: str = "run") -> TaskSpec:
    wanted = tuple(Wanted(n, sha256_json([number, n]), {}) for n in names or ("toy",))
    return replace(TASK, run_id=run_id, task=f"toy.{number}", wanted=wanted)


def made(store: FileStore, spec: TaskSpec, value: int = 0) -> ResultId:
    (wanted, *_) = spec.wanted
    artifact = Artifact({"t": np.array([value])}, {})
    return write_result(store, spec.owner, spec.video_id, spec.component, wanted.key, TOY, artifact, {})


@pytest.fixture
def store(tmp_path: Path) -> Listing:
    return Listing(tmp_path)


def test_one_listing_does_for_all_keys_of_a_component(store: Listing) -> None:
    results = {n: made(store, task(n), n) for n in range(0, 64, 2)}
    shelf = Shelf(store)
    for n in range(64):
        found = shelf.lookup(task(n))
        assert {f.digest for f in found.values()} == ({results[n].digest} if n in results else set())
    assert store.count == 1


def test_each_run_looks_for_itself(store: Listing) -> None:
    shelf = Shelf(store)
    assert shelf.lookup(task(1)) == {}
    made(store, task(1))
    assert shelf.lookup(task(1, run_id="another")).keys() == {"toy"}


def test_what_was_missing_is_looked_for_again_after_a_while(store: Listing) -> None:
    shelf = Shelf(store, missed_s=0)
    assert shelf.lookup(task(1)) == {}
    made(store, task(1))
    assert shelf.lookup(task(1)).keys() == {"toy"}


def test_what_was_found_long_ago_is_looked_at_again(store: Listing) -> None:
    """Or a record would rest on what was collected since."""
    result = made(store, task(1))
    shelf = Shelf(store, found_s=0)
    assert shelf.lookup(task(2)) == {}
    store.delete(result.json)
    assert shelf.lookup(task(1)) == {}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=12), st.integers(0, 2))
def test_it_finds_what_a_lookup_of_the_key_finds(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[int, int]], gone: int
) -> None:
    """Of several results of one key the smallest that is whole."""
    store = FileStore(tmp_path_factory.mktemp("store"))
    results = [made(store, task(n, "first", "second"), value) for n, value in written]
    for result in results[:gone]:
        store.delete(result.npz)
    shelf = Shelf(store)
    for n in range(3):
        assert shelf.lookup(task(n, "first", "second")) == lookup(store, task(n, "first", "second"))
