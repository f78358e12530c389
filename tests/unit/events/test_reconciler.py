"""Runs that have ended cost the reconciler nothing, however many there were."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from pathlib import Path
from typing import Any

import pytest

from events import reconciler as module
from events.reconciler import Reconciler
from events.router import Router
from kadr.pipeline.catalogue import load
from kadr.pipeline.closing import ByLock
from kadr.storage import layout
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore
from kadr.storage.store import Listed

OWNER = "anna"
DIGEST = "d" * 64


class Asked(FileStore):
    """Notes what was listed and looked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: MutableSequence[str] = []

    def list(self, prefix: str) -> Iterator[str]:
        self.asked.append(prefix)
        return super().list(prefix)

    def entries(self, prefix: str) -> Iterator[Listed]:
        self.asked.append(prefix)
        return super().entries(prefix)

    def exists(self, name: str) -> bool:
        self.asked.append(name)
        return super().exists(name)

    def taken(self) -> Sequence[str]:
        found, self.asked = self.asked, []
        return found

    def begin(self, run_id: str) -> None:
        self.put(layout.state_prefix(OWNER, run_id) + layout.record_ok(1, "acquire", "a" * 64, "b" * 64), b"")

    def end(self, run_id: str) -> None:
        self.put(layout.state_prefix(OWNER, run_id) + layout.done(1, DIGEST), b"")
        self.put(layout.report_file(OWNER, run_id, DIGEST, "report.html"), b"")

    def retry(self, run_id: str) -> str:
        name = layout.state_prefix(OWNER, run_id) + layout.retry(2)
        self.put(name, b"")
        return name


@pytest.fixture
def store(tmp_path: Path) -> Asked:
    made = Asked(tmp_path / "store")
    for run_id in ("ended", "other", "open"):
        made.begin(run_id)
    for run_id in ("ended", "other"):
        made.end(run_id)
    return made


@pytest.fixture
def reconciler(store: Asked, tmp_path: Path) -> Reconciler:
    nobody: Any = None  # none of the runs has a request, so there is nothing to move on
    router = Router(store, ByLock(FileClaims(tmp_path / "claims")), load(), nobody, nobody, nobody)
    return Reconciler(store, router)


def test_few_runs_are_looked_at_by_one_listing(store: Asked, reconciler: Reconciler) -> None:
    assert reconciler.once() == 1
    store.taken()
    assert reconciler.once() == 1
    assert store.taken() == [layout.ALL_STATE]
    store.retry("ended")
    assert reconciler.once() == 2


def test_of_many_runs_only_those_that_are_not_known_to_have_ended_are_listed(
    store: Asked, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MANY", 1)
    assert reconciler.once() == 1
    store.taken()
    assert reconciler.once() == 1
    assert store.taken() == [layout.state_prefix(OWNER, "open")]
    store.begin("new")
    assert reconciler.once() == 2, "a run of which nobody told is found"


def test_a_run_that_is_tried_again_is_looked_at_again(
    store: Asked, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once where somebody said so, and else in a while."""
    monkeypatch.setattr(module, "MANY", 1)
    assert reconciler.once() == 1
    reconciler.reopened([store.retry("ended")])
    assert reconciler.once() == 2
    store.retry("other")
    assert reconciler.once() == 2
    monkeypatch.setattr(module, "ALL_S", 0)
    assert reconciler.once() == 3


def test_a_report_that_cannot_be_made_is_asked_for_more_and_more_rarely(store: Asked, tmp_path: Path) -> None:
    """Or one that fails would be made for ever; each asking looks for the run's request."""
    store.delete(layout.report_file(OWNER, "ended", DIGEST, "report.html"))
    nobody: Any = None
    asked = list[str]()

    class Noting(Router):
        def move(self, owner: str, run_id: str, names: Iterable[str] = (), anew: bool = False) -> None:
            asked.append(run_id)

    router = Noting(store, ByLock(FileClaims(tmp_path / "claims")), load(), nobody, nobody, nobody)
    reconciler = Reconciler(store, router, pause_s=0.06)
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        assert reconciler.once() == 1
    assert 3 <= asked.count("ended") <= 7
    store.end("ended")
    reconciler.once()
    assert asked[-1] == "open"
