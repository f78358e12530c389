"""What a closed run has lost of its records, its manifest still holds: nothing of it is undone, collected or left to lie."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from kadr.contracts.run import Record, Request
from kadr.pipeline.admission import DAY_MS, found_objects, heal, load_objects, read_request
from kadr.pipeline.collecting import GRACE_MS, Ages, Kind, garbage
from kadr.pipeline.state import evaluate
from kadr.storage import layout
from kadr.storage.files import FileStore
from tests.contract.test_corpus import CORPORA

LONG_AGO_S = 40 * 86_400


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    shutil.copytree(CORPORA[-1], tmp_path / "store")
    then = time.time() - LONG_AGO_S
    for path in (tmp_path / "store").rglob("*"):
        os.utime(path, (then, then))
    return FileStore(tmp_path / "store")


def damaged(store: FileStore, how: Callable[[Path], object]) -> tuple[Request, list[str]]:
    """A run of the corpus two of whose records were damaged, and their names below its state."""
    prefix = layout.requests_prefix(layout.LOCAL_OWNER)
    ids = sorted({n.split("/")[2] for n in store.list(prefix)})
    request = read_request(store, layout.LOCAL_OWNER, ids[0])
    objects = load_objects(store, request)
    names = [n for n, body in objects.items() if isinstance(body, Record) and body.results][:2]
    for name in names:
        how(store.root / layout.state_prefix(request.owner, request.run_id) / name)
    return request, names


@pytest.mark.parametrize("how", [Path.unlink, lambda p: os.truncate(p, 20)], ids=["removed", "truncated"])
def test_records_that_are_lost_still_count(store: FileStore, how: Callable[[Path], object]) -> None:
    request, names = damaged(store, how)
    assert not set(names) & found_objects(store, request).keys()
    objects = load_objects(store, request)
    assert set(names) <= objects.keys()
    state = evaluate(request, objects)
    assert all(task.state.terminal for task in state.tasks.values())
    assert heal(store, request) == 2
    assert found_objects(store, request) == objects
    assert heal(store, request) == 0


def test_their_results_are_no_garbage(store: FileStore) -> None:
    ages = Ages(7 * DAY_MS, None, GRACE_MS)

    def unreferenced() -> set[str]:
        groups = garbage(
            store, layout.LOCAL_OWNER, ages, int(time.time() * 1000), lambda _: nullcontext(True)
        )
        return {name for group in groups if group.kind is Kind.UNREFERENCED for name in group.names}

    before = unreferenced()
    damaged(store, Path.unlink)
    assert unreferenced() == before


def test_without_the_manifest_there_is_nothing_to_take_them_from(store: FileStore) -> None:
    request, names = damaged(store, Path.unlink)
    for name in store.list(f"{layout.run_prefix(request.owner, request.run_id)}manifests/"):
        store.delete(name)
    assert not set(names) & load_objects(store, request).keys()
