"""The command that is shown for a run asks exactly what the run was asked."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from cli.again import command_of
from cli.compose import Machine
from cli.holding import held, hold
from cli.options import Choice, profile_options
from kadr.contracts.run import Request
from kadr.pipeline.admission import Asked, draft
from kadr.pipeline.profiles import config_hash
from kadr.pipeline.spec import SourceRef
from kadr.settings import Settings

ROOT = Path(__file__).parents[3]
MACHINE = Machine(Settings())


def requested(choice: Choice, path: Path) -> Request:
    question = MACHINE.question(choice.profile())
    source = SourceRef(str(path), 1, 1)
    return draft(Asked(path, question.profile, question.graph, question.models), "0" * 64, source)


@click.command()
@click.argument("videos", nargs=-1)
@profile_options
def parsed(videos: tuple[str, ...], choice: Choice) -> tuple[tuple[str, ...], Choice]:
    return videos, choice


@pytest.mark.parametrize(
    "choice",
    [
        Choice("standard"),
        Choice("full", {"objects": {"fps": 4, "min_peak": 0.6}, "shots": {"detector": "content"}}),
        Choice("fast", {"speech": {"language": "ru", "vocabulary": ["Кадр", "it's"]}}),
        Choice("standard", {"probe": {"from_ms": 2000}, "pcm": {"from_ms": 2000}}, ("ocr", "loudness")),
        Choice("fast", {"tags": {"fps": 1}}, ("tags", "passages", "captions")),
    ],
    ids=str,
)
def test_the_command_asks_the_same(tmp_path: Path, choice: Choice) -> None:
    request = requested(choice, tmp_path / "it's a video.mp4")
    command = command_of(MACHINE, request)
    assert command is not None
    kadr, analyze, *words = shlex.split(command)
    videos, again = parsed.main(words, standalone_mode=False)
    assert (kadr, analyze, videos) == ("kadr", "analyze", (str(tmp_path / "it's a video.mp4"),))
    assert config_hash(MACHINE.question(again.profile()).profile) == request.config_hash


def test_options_are_said_as_options(tmp_path: Path) -> None:
    part = {"from_ms": 2000, "to_ms": 8500}
    settings: dict[str, dict[str, Any]] = {
        "probe": part,
        "pcm": {**part, "audio_stream": 2},
        "speech": {"language": "ru"},
    }
    for only, text in (
        ((), "--from 00:02 --to 00:08.5 --language ru --audio-stream 2"),
        (("shots",), "--only shots --from 00:02 --to 00:08.5"),
    ):
        choice = Choice("fast", {"probe": part} if only else settings, only)
        command = command_of(MACHINE, requested(choice, tmp_path / "v.mp4"))
        assert command == f"kadr analyze {tmp_path}/v.mp4 --profile fast {text}"


def test_captions_beside_the_video_need_no_saying_others_cannot_be_said(tmp_path: Path) -> None:
    video = tmp_path / "v.mp4"
    choice = Choice("standard", {"captions": {"sidecar": "1\n"}}, ("captions",))
    assert command_of(MACHINE, requested(choice, video)) is None
    video.with_suffix(".srt").write_text("1\n")
    assert (
        command_of(MACHINE, requested(choice, video))
        == f"kadr analyze {video} --profile standard --only captions"
    )


def test_a_profile_of_ones_own_cannot_be_told_from_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('components = ["ocr"]')
    assert command_of(MACHINE, requested(Choice(str(tmp_path / "mine.toml")), tmp_path / "v.mp4")) is None


HOLD = """
import signal, sys
from cli.compose import Machine
from cli.holding import hold
claim = hold(Machine().store, "some-run")
print("held", flush=True)
signal.pause()
"""


def test_a_killed_process_no_longer_holds_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KADR_HOME", str(tmp_path))
    store = Machine().store
    assert not held(store, "some-run")
    command: list[Any] = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            mine = hold(store, "some-run")
            assert mine is not None  # two processes may work on one run
            mine.release()
            assert held(store, "some-run")
            assert not held(store, "some")
        finally:
            process.kill()
    assert not held(store, "some-run")


def test_a_refresh_that_was_stopped_is_named_as_one(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    request = requested(Choice("standard"), path).model_copy(update={"refresh": True})
    said = command_of(MACHINE, request, path, resuming=True)
    assert said is not None
    assert "--refresh" in shlex.split(said)
    assert command_of(MACHINE, request, path) == said.replace(" --refresh", "")
