"""What every object store must do. Backends: local files. (Each later backend joins the same suite.)"""

from __future__ import annotations

import multiprocessing
import os
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kadr.contracts.errors import ObjectMissing, StoreFailure
from kadr.storage.files import FileStore
from kadr.storage.store import ObjectStore


@pytest.fixture(params=["files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    assert request.param == "files"
    return FileStore(tmp_path / "store")


def test_put_then_get(store: ObjectStore) -> None:
    store.put("a/b/c.json", b"one")
    assert store.get("a/b/c.json") == b"one"
    assert store.exists("a/b/c.json")
    store.put("a/b/c.json", b"two")
    assert store.get("a/b/c.json") == b"two"
    with store.local("a/b/c.json") as path:
        assert path.read_bytes() == b"two"
    assert store.modified_ms("a/b/c.json") > 1_600_000_000_000
    assert store.size("a/b/c.json") == 3


def test_put_file_moves_it_in(store: ObjectStore) -> None:
    path = store.scratch() / "x"
    path.write_bytes(b"body")
    store.put_file("big/x", path)
    assert store.get("big/x") == b"body"
    assert not path.exists()


def test_missing_objects(store: ObjectStore) -> None:
    for ask in (store.get, store.modified_ms, store.size):
        with pytest.raises(ObjectMissing, match="nowhere/at/all"):
            ask("nowhere/at/all")
    with pytest.raises(ObjectMissing), store.local("nowhere"):
        pass
    assert not store.exists("nowhere")
    store.delete("nowhere")
    assert list(store.list("nowhere/")) == []


@pytest.mark.parametrize("name", ["../up", "a/../b", "/etc/passwd", "a//b", "", "a/./b", "a\0b"])
def test_names_cannot_leave_the_store(store: ObjectStore, name: str) -> None:
    with pytest.raises(StoreFailure):
        store.put(name, b"")


part = st.text("ab.-0", min_size=1, max_size=3).filter(lambda s: s not in (".", ".."))
name_lists = st.lists(
    st.lists(part, min_size=2, max_size=3).map("/".join), min_size=1, max_size=8, unique=True
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(name_lists, st.data())
def test_list_gives_exactly_the_names_with_a_prefix(
    store: ObjectStore, named: list[str], data: st.DataObject
) -> None:
    """Prefixes need not end at a slash, as with S3."""
    root = uuid.uuid4().hex
    names = [f"{root}/{n}" for n in named]
    names = [n for n in names if not any(m.startswith(f"{n}/") for m in names)]
    for name in names:
        store.put(name, b"")
    some = data.draw(st.sampled_from(names))
    prefix = some[: data.draw(st.integers(len(root) + 1, len(some)))]
    assert list(store.list(prefix)) == sorted(n for n in names if n.startswith(prefix))


def _write_many(root: Path, n: int) -> None:
    for _ in range(n):
        FileStore(root).put("race/one", os.urandom(1) * 100_000)


def test_racing_writers_never_show_half_an_object(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = FileStore(root)
    store.put("race/one", b"\0" * 100_000)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(root, 50)) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(w.is_alive() for w in writers):
        body = store.get("race/one")
        assert len(body) == 100_000
        assert len(set(body)) == 1
    assert list((root / "tmp").iterdir()) == []
