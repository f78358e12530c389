"""What is there already is recorded, also after the store was in trouble."""

from __future__ import annotations

from pathlib import Path

import pytest

from kadr.contracts.errors import StoreFailure
from kadr.contracts.run import ACQUIRE, TaskState
from kadr.pipeline.localrun import LocalRun
from kadr.pipeline.settling import Settling
from kadr.storage import layout
from kadr.storage.files import FileStore
from tests.unit.pipeline.toy import request


def test_what_could_not_be_recorded_is_at_the_next_look(tmp_path: Path) -> None:
    store, run = FileStore(tmp_path), LocalRun.waiting(request())
    assert run.request.video_id is not None
    store.put(layout.video_source(run.request.owner, run.request.video_id), b"bytes")
    settling = Settling(store, lambda run, event, /, **fields: None)
    in_the_way = store.root / layout.state_prefix(run.request.owner, run.request.run_id) / "1"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_bytes(b"")
    with pytest.raises(StoreFailure):
        settling.settle(run)
    in_the_way.unlink()
    state = settling.settle(run)
    assert state.tasks[ACQUIRE].state is TaskState.SUCCEEDED
    assert "probe" in run.missed
