"""What every object store must do: local files, and S3 on the JuiceFS gateway and on MinIO."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kadr.contracts.errors import ObjectMissing, StoreFailure
from kadr.storage import layout
from kadr.storage.files import FileStore
from kadr.storage.s3 import S3Store
from kadr.storage.store import ObjectStore


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
    (entry,) = store.entries("a/b/")
    assert entry == ("a/b/c.json", 3, store.modified_ms("a/b/c.json"))


def test_folders_are_what_lies_directly_below(store: ObjectStore) -> None:
    for name in ("folded/b/c/d", "folded/b/e", "folded/a/f", "folded/g", "folded.h/i"):
        store.put(name, b"")
    assert list(store.folders("folded/")) == ["a", "b"]
    assert list(store.folders("folded/b/")) == ["c"]
    assert list(store.folders("folded/a/")) == list(store.folders("unfolded/")) == []


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


def test_names_cannot_leave_the_store(store: ObjectStore) -> None:
    for name in ["../up", "a/../b", "/etc/passwd", "a//b", "", "a/./b", "a\0b"]:
        with pytest.raises(StoreFailure):
            store.put(name, b"")


def test_names_that_the_layout_makes_keep_their_letters(store: ObjectStore) -> None:
    """Owners are ids of ours; what users name lies in their inbox, in any script."""
    state = layout.state_prefix("local", "0" * 32)
    names = [
        state + layout.record_ok(1, layout.task_name("ocr", "f" * 64, 63), "a" * 64, "b" * 64),
        state + layout.done(12, "c" * 64),
        layout.result_npz("local", "d" * 64, "moderation", "e" * 64, "f" * 64),
        layout.video_reference("local", "d" * 64),
        "inbox/local/Отпуск + кот 100% & more=1?.mp4",
        "inbox/local/" + "ü" * 120 + ".mp4",
        "inbox/local/a b/c+d/e%20f~'(x)!*.mov",
    ]
    for name in names:
        store.put(name, name.encode())
    assert list(store.list("")) == sorted(names)
    assert [store.get(name).decode() for name in names] == names
    with store.local(names[-1]) as path:
        assert path.read_text() == names[-1]


def test_more_names_than_one_page_of_a_listing_holds(
    store: ObjectStore, request: pytest.FixtureRequest
) -> None:
    """Of JuiceFS, which is slow at names, shorter pages are asked."""
    count = 1010
    if isinstance(store, S3Store) and request.node.callspec.params["store"] == "juicefs":
        store.page, count = 50, 130
    names = [f"state/local/{i % 3}/{i:04d}.json" for i in range(count)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: store.put(name, b""), names))
    assert list(store.list("state/local/")) == sorted(names)
    assert list(store.list("state/local/2/00")) == [
        n for n in sorted(names) if n.startswith("state/local/2/00")
    ]


def test_a_deleted_object_is_gone_and_can_come_again(store: ObjectStore) -> None:
    store.put("a/b/c", b"1")
    with store.local("a/b/c"):
        pass
    store.delete("a/b/c")
    assert not store.exists("a/b/c")
    assert list(store.list("a/")) == []
    with pytest.raises(ObjectMissing), store.local("a/b/c"):
        pass
    store.put("a/b", b"2")
    assert list(store.list("")) == ["a/b"]


def test_touch_makes_an_object_new_and_leaves_its_bytes(store: ObjectStore) -> None:
    bodies = {"a/b": b"body", "a/empty": b"", "a/large": b"x" * 2_000_000}
    for name, body in bodies.items():
        store.put(name, body)
    before = store.modified_ms("a/b")
    assert abs(before - time.time() * 1000) < 60_000
    time.sleep(1.01 if isinstance(store, FileStore) else 2.1)  # servers tell whole seconds
    for name, body in bodies.items():
        store.touch(name)
        assert store.modified_ms(name) >= before + 1000
        assert [e.modified_ms for e in store.entries(name)] == [store.modified_ms(name)]
        assert store.get(name) == body
    with pytest.raises(ObjectMissing):
        store.touch("a/none")


def test_a_large_file_is_put_whole(store: ObjectStore) -> None:
    body = random.Random(1).randbytes(20_000_000)
    path = store.scratch() / "large"
    path.write_bytes(body)
    store.put_file("large", path)
    assert not path.exists()
    assert store.size("large") == len(body)
    with store.local("large") as path:
        assert path.read_bytes() == body
    assert store.get("large") == body
    assert list(store.scratch().iterdir()) == []


def test_one_name_put_by_many_has_the_bytes_of_one(store: ObjectStore) -> None:
    bodies = [bytes([i]) * 300_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        puts = [pool.submit(store.put, "race/one", body) for body in bodies]
        seen = [store.get("race/one") for _ in range(5) if store.exists("race/one")]
        for put in puts:
            put.result()
    assert {*seen, store.get("race/one")} <= set(bodies)


def test_a_listing_while_others_write_holds_all_that_was_there_before(store: ObjectStore) -> None:
    old = [f"l/{i:02d}" for i in range(0, 40, 2)]

    def put_all(names: list[str]) -> None:
        for name in names:
            store.put(name, b"")

    put_all(old)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(put_all, [f"l/{i:02d}" for i in range(1, 40, 2)])
        listings = []
        while not writing.done():
            listings.append(list(store.list("l/")))
        writing.result()
    for names in listings:
        assert set(old) <= set(names)
        assert names == sorted(names)
    assert len(list(store.list("l/"))) == 40


def test_what_could_not_be_put_is_not_there(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        store.put_file("a/b", tmp_path / "none")
    assert list(store.list("")) == []


part = st.text("ab.-0", min_size=1, max_size=3).filter(lambda s: s not in (".", ".."))
name_lists = st.lists(
    st.lists(part, min_size=2, max_size=3).map("/".join), min_size=1, max_size=8, unique=True
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
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
