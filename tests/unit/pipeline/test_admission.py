"""Which run answers a question: found, resumed, tried again or new; and what a kill leaves of a new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.compose import Machine
from cli.options import Choice
from kadr.pipeline.admission import Asked, admit, runs_of
from kadr.pipeline.spec import SourceRef
from kadr.settings import Settings
from kadr.storage import layout
from kadr.storage.files import FileStore

OWNER = layout.LOCAL_OWNER
VIDEO_ID = "0" * 64
SOURCE = SourceRef("/v.mp4", 1, 1)
MACHINE = Machine(Settings())


def asked(refresh: bool = False) -> Asked:
    question = MACHINE.question(Choice("standard", only=("loudness",)).profile())
    return Asked(Path(SOURCE.path), question.profile, question.graph, question.models, refresh)


class Killed(Exception):
    pass


@pytest.mark.parametrize("survived", [0, 1])
def test_a_run_is_found_by_its_video_or_there_is_none(tmp_path: Path, survived: int) -> None:
    """Whatever write a kill comes before, no request is left that its video does not lead to."""

    class Short(FileStore):
        left = survived

        def put(self, name: str, body: bytes) -> None:
            if not self.left:
                raise Killed
            self.left -= 1
            super().put(name, body)

    with pytest.raises(Killed):
        admit(Short(tmp_path), asked(), VIDEO_ID, SOURCE)
    store = FileStore(tmp_path)
    assert not list(store.list(layout.requests_prefix(OWNER)))
    assert not runs_of(store, OWNER, VIDEO_ID)
    assert admit(store, asked(), VIDEO_ID, SOURCE).how == "new"
    assert len(runs_of(store, OWNER, VIDEO_ID)) == 1
