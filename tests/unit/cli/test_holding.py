"""Who works on a run and who collects it never do so at once."""

from __future__ import annotations

import threading
from pathlib import Path

from cli.holding import alone, held, hold
from kadr.storage.files import FileStore

PATIENCE_S = 20.0


def test_a_held_run_is_not_collected(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    claim = hold(store, "run")
    assert claim is not None
    with alone(store, "run") as free:
        assert not free
    with alone(store, "other") as free:
        assert free
    claim.release()
    assert not held(store, "run")
    with alone(store, "run") as free:
        assert free
    assert list((tmp_path / "claims").iterdir()) == []


def test_who_begins_while_a_run_is_collected_waits(tmp_path: Path) -> None:
    store, got = FileStore(tmp_path), threading.Event()

    def begin() -> None:
        claim = hold(store, "run")
        got.set()
        assert claim is not None
        claim.release()

    with alone(store, "run") as free:
        assert free
        beginner = threading.Thread(target=begin)
        beginner.start()
        while not held(store, "run"):  # it has shown its claim and looks for ours
            pass
        assert not got.wait(0.3)
    assert got.wait(PATIENCE_S)
    beginner.join()
