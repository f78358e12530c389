"""What a backfill says of videos that it has to leave out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.compose import Machine
from cli.options import Choice
from kadr.pipeline.admission import Asked, admit, identify

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Kadr


def test_a_file_that_is_there_and_cannot_be_read_is_not_gone(kadr: Kadr, tmp_path: Path) -> None:
    machine = Machine()
    question = machine.question(Choice("standard", only=("quality",)).profile())
    videos = [tmp_path / f"{name}.mp4" for name in ("gone", "emptied", "folder", "novideo")]
    for video in videos:
        video.write_bytes(video.name.encode())
        video_id, source = identify(machine.store, video, lambda _: None)
        asked = Asked(video, question.profile, question.graph, question.models)
        admit(machine.store, asked, video_id, source)
    for video in videos[:3]:
        video.unlink()
    videos[1].write_bytes(b"")
    videos[2].mkdir()
    said = kadr("backfill", "--only", "loudness", "--dry-run")
    answers = {line.split()[0]: line for line in said.out.splitlines() if ".mp4" in line}
    assert " gone" in answers["gone.mp4"]
    for name in ("emptied.mp4", "folder.mp4", "novideo.mp4"):
        assert " unreadable" in answers[name]
        assert "standard (only quality)" in answers[name]
    assert f"{videos[1]} is empty (0 bytes)" in said.out
