"""What keeps the index up goes on whatever it meets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from index.database import Database
from index.keeping import Index
from kadr.storage.files import FileStore

PATIENCE_S = 10


class Odd(Database):
    """Fails as nobody foresaw."""

    asked = 0

    def run(self, work: Callable[..., Any]) -> Any:
        self.asked += 1
        raise RuntimeError("odd")

    def connection(self) -> Any:
        return self.run(lambda: None)


def test_what_nobody_foresaw_ends_no_thread(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    with Odd("postgresql://127.0.0.1:1/none") as database:
        index = Index(FileStore(tmp_path), database)
        thread = threading.Thread(target=index.keep_up, args=(stop, 0.01))
        thread.start()
        deadline = time.monotonic() + PATIENCE_S
        for run_id in ("one", "another"):
            asked = database.asked
            index.told("anna", run_id)
            while database.asked == asked:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        stop.set()
        thread.join()
    assert "the index met what it does not know" in caplog.text
