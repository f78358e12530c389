"""Whoever closes an epoch, and however often: one manifest closes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.queue.closers import RedisClosers
from events.queue.server import Server
from kadr.contracts.keys import jcs
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Cancelled, Request
from kadr.pipeline.admission import load_objects
from kadr.pipeline.closing import close, compile_manifest
from kadr.pipeline.state import evaluate
from kadr.storage import layout
from kadr.storage.files import FileStore
from tests.unit.pipeline.toy import Objects, World, play, request


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """Of a run whose tasks have all ended."""
    store, objects = FileStore(tmp_path), Objects()
    play(request(), objects, World())
    for name, body in objects.items():
        store.put(layout.state_prefix(request().owner, request().run_id) + name, jcs(body.model_dump()))
    return store


def change(store: FileStore) -> Manifest:
    """Something that counts is written late; the manifest of who looks now."""
    name = layout.state_prefix(request().owner, request().run_id) + layout.cancelled(1)
    store.put(name, jcs(Cancelled(reason="enough").model_dump()))
    return compile_manifest(request(), evaluate(request(), load_objects(store, request())))


def marks(store: FileStore) -> list[str]:
    prefix = layout.state_prefix(request().owner, request().run_id)
    return [name.removeprefix(prefix) for name in store.list(prefix) if "/done." in name]


def test_who_looked_later_closes_with_the_manifest_that_was_named_first(
    server: Server, store: FileStore
) -> None:
    owed: list[str] = []
    others: list[str] = []

    def stalls(asked: Request, manifest: Manifest) -> None:
        """Between agreeing and the mark, long enough for another to come and close."""
        owed.append(manifest.digest)
        assert change(store).digest != manifest.digest
        other = close(store, RedisClosers(server), asked, 1, lambda _, found: owed.append(found.digest))
        others.append(other.digest if other else "")

    first = close(store, RedisClosers(server), request(), 1, stalls)
    assert first is not None
    assert others == [first.digest]
    assert owed == [first.digest] * 2, "answers are owed for what closes the epoch"
    assert marks(store) == [layout.done(1, first.digest)]


def test_who_died_before_the_mark_is_not_contradicted(server: Server, store: FileStore) -> None:
    named: list[str] = []

    def dies(asked: Request, manifest: Manifest) -> None:
        named.append(manifest.digest)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        close(store, RedisClosers(server), request(), 1, dies)
    assert marks(store) == []
    assert change(store).digest != named[0]
    closed = close(store, RedisClosers(server), request(), 1)
    assert closed is not None
    assert closed.digest == named[0]
    assert marks(store) == [layout.done(1, named[0])]


def test_each_epoch_has_its_own(server: Server) -> None:
    for epoch, digest in ((1, "aa"), (2, "bb")):
        with RedisClosers(server).enter("r", epoch) as agree:
            assert agree is not None
            assert [agree(digest), agree("cc")] == [digest, digest]
