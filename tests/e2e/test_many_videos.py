"""A batch of many videos: under a small limit of open files, and the first is analysed before the last is read."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from cli.compose import Machine
from cli.options import Choice
from kadr.pipeline.admission import Asked, admit, identify
from kadr.pipeline.arriving import Arriving
from kadr.pipeline.localrun import LocalRun
from kadr.settings import Settings
from tests.e2e.conftest import Kadr, Said
from tests.media_files import numbered, write_video

VIDEOS, OPEN_FILES = 40, 44


def test_more_videos_than_files_may_be_open(kadr: Kadr, tmp_path: Path) -> None:
    for i in range(VIDEOS):
        write_video(tmp_path / f"{i:02}.mp4", numbered(5 + i))
    command = kadr.command("analyze", tmp_path / "*.mp4", "--only", "probe", "--json")
    limited = ["sh", "-c", f'ulimit -n {OPEN_FILES} && exec "$@"', "kadr", *command]
    done = subprocess.run(
        limited, env=kadr.environment, cwd=kadr.root, capture_output=True, text=True, check=False, timeout=300
    )
    said = Said(done.returncode, done.stdout, done.stderr)
    assert said.code == 0, said.err
    assert [v["status"] for v in said.events("summary")[0]["videos"]] == ["complete"] * VIDEOS
    assert not list((kadr.home / "store/claims").glob("run-*"))


def test_the_first_is_analysed_while_the_second_is_read(tmp_path: Path) -> None:
    machine, done = Machine(Settings(home=tmp_path / "home")), threading.Event()
    question = machine.question(Choice("fast", only=("probe",)).profile())

    def first() -> LocalRun:
        write_video(tmp_path / "a.mp4", numbered(5))
        video_id, source = identify(machine.store, tmp_path / "a.mp4", lambda _: None)
        asked = Asked(tmp_path / "a.mp4", question.profile, question.graph, question.models)
        return LocalRun.of(admit(machine.store, asked, video_id, source), "")

    def second() -> None:
        assert done.wait(120), "the first waits for the second"

    coordinator = machine.coordinator(lambda e: done.set() if e["event"] == "run.done" else None, print)
    coordinator.run(Arriving([first, second]))
    assert done.is_set()
