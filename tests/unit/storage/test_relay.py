"""A process without a network works on its parent's store, within what it was permitted."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from kadr.contracts.errors import KadrError, ObjectMissing, StoreFailure, VideoChanged
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore
from kadr.storage.relay import MAX_BYTES, Relay, RelayStore

SOURCE = '{"name": "videos/a/v/source"}'


class Bytes:
    """What a video holds."""

    def read_range(self, source: str, offset: int, length: int) -> bytes:
        if offset > 100:
            raise VideoChanged("it is another now")
        return bytes(range(100))[offset : offset + length]


class Pair:
    """Both sides."""

    def __init__(self, root: Path) -> None:
        self.store, self.faults = FileStore(root / "store"), list[str]()
        scratch = root / "scratch"
        scratch.mkdir()
        self.claims = FileClaims(root / "claims")
        self.relay = Relay(self.store, self.claims, Bytes(), scratch, on_fault=self.faults.append)
        near, far = socket.socketpair()
        self.far = Connection(far.detach())
        self.relay.serve(Connection(near.detach()))
        self.child = RelayStore(self.far, scratch)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    with made.relay.permit(("results/a/v/", "state/a/r/"), ("results/a/v/quality/",), frozenset({SOURCE})):
        yield made


def test_it_reads_and_writes_what_it_was_given(pair: Pair) -> None:
    name = "results/a/v/quality/k/d.json"
    pair.child.put(name, b"one")
    assert pair.store.get(name) == b"one" == pair.child.get(name)
    assert list(pair.child.list("results/a/v/quality/")) == [name]
    assert list(pair.child.entries("results/a/v/quality/")) == list(pair.store.entries(name))
    assert list(pair.child.folders("results/a/v/")) == ["quality"]
    assert pair.child.exists(name)
    assert pair.child.size(name) == 3
    assert pair.child.modified_ms(name) == pair.store.modified_ms(name)
    pair.child.touch(name)
    with pair.child.local(name) as path:
        assert path.read_bytes() == b"one"
    file = pair.child.scratch() / "made"
    file.write_bytes(b"x" * 5_000_000)
    pair.child.put_file("results/a/v/quality/k/d.npz", file)
    assert pair.store.size("results/a/v/quality/k/d.npz") == 5_000_000
    pair.child.delete(name)
    with pytest.raises(ObjectMissing):
        pair.child.get(name)
    assert pair.child.read_range(SOURCE, 10, 5) == bytes(range(10, 15))
    assert not pair.faults


def test_errors_come_through_as_what_they_are(pair: Pair) -> None:
    with pytest.raises(VideoChanged, match="another now"):
        pair.child.read_range(SOURCE, 200, 1)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("get", "results/b/v/quality/k/d.json"),
        ("get", "results/a/v/../../b/x"),
        ("put", "results/a/v/speech/k/d.json"),
        ("delete", "state/a/r/request.json"),
        ("list", "results/a/"),
        ("get", "videos/a/v/source"),
    ],
)
def test_what_is_none_of_its_work_is_refused_and_told(pair: Pair, call: str, name: str) -> None:
    arguments = (name, b"") if call == "put" else (name,)
    with pytest.raises(StoreFailure, match="not permitted"):
        getattr(pair.child, call)(*arguments)
    assert name in pair.faults[0]


def test_a_permit_ends_with_its_task(pair: Pair) -> None:
    with pair.relay.permit(("state/b/r/",), ("state/b/r/",), frozenset()):
        pair.child.put("state/b/r/x", b"")
    with pytest.raises(StoreFailure):
        pair.child.get("state/b/r/x")


@pytest.mark.parametrize("name", ["../store/secret", "none", "link"])
def test_only_files_of_its_scratch_folder_are_taken(pair: Pair, name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    (pair.child.scratch() / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(StoreFailure):
        pair.child._call("put_file", "results/a/v/quality/k/d.npz", name)
    assert not pair.store.exists("results/a/v/quality/k/d.npz")


def test_a_source_that_was_not_given_is_not_read(pair: Pair) -> None:
    with pytest.raises(StoreFailure, match="not permitted"):
        pair.child.read_range('{"name": "videos/b/v/source"}', 0, 1)


def test_claims_are_held_for_it_and_end_with_it(pair: Pair) -> None:
    held = pair.child.take("key")
    assert held is not None
    assert pair.child.take("key") is None
    held.release()
    assert pair.child.take("key") is not None
    with socket.socket(fileno=os.dup(pair.far.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)  # as the death of its process does
    _until(lambda: pair.claims.take("key") is not None)


def test_many_threads_share_one_connection(pair: Pair) -> None:
    def work(number: int) -> None:
        for i in range(30):
            name = f"results/a/v/quality/{number}/{i}"
            pair.child.put(name, name.encode() * 100)
            assert pair.child.get(name) == name.encode() * 100

    with ExitStack() as stack:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
    assert len(list(pair.store.list("results/a/v/quality/"))) == 240


def test_who_speaks_nonsense_is_not_heard_any_more(pair: Pair) -> None:
    pair.far.send_bytes(b"\x01")
    _until(lambda: bool(pair.faults))
    with pytest.raises(KadrError, match="gone"):
        pair.child.get("results/a/v/x")
    assert MAX_BYTES > 2**20


@pytest.mark.parametrize("call", ["shell", "_check", "__init__"])
def test_there_are_no_other_calls(pair: Pair, call: str) -> None:
    with pytest.raises(StoreFailure, match="no call"):
        pair.child._call(call, "x")


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
