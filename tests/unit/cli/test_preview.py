"""A video's length before anything is spent: whatever happens to the child that opens it has words."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from cli import preview
from cli.compose import Machine
from cli.options import Choice
from kadr.contracts.errors import InvalidProfile, VideoUnreadable
from kadr.contracts.profile import NormalProfile
from tests.media_files import numbered, write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "v.mp4", numbered(50))
    return tmp_path / "v.mp4"


def test_the_length_of_a_video(video: Path) -> None:
    assert preview.duration_ms(video) == 2000


def test_what_is_no_video_has_the_childs_own_words(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video at all\n" * 9)
    with pytest.raises(VideoUnreadable, match="This is text, not a video"):
        preview.duration_ms(tmp_path / "text.mp4")


def test_a_sound_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mkv", numbered(25), tone_s=1.0)

    def asked(stream: int | None) -> NormalProfile:
        settings = {} if stream is None else {"pcm": {"audio_stream": stream}}
        return Machine().question(Choice("fast", settings, ("loudness",)).profile()).profile

    preview.check_sound(tmp_path / "v.mkv", asked(1))
    preview.check_sound(tmp_path / "nowhere.mkv", asked(None))  # not even opened
    with pytest.raises(InvalidProfile, match=r"no sound in stream 9 of the file, but in 1 \("):
        preview.check_sound(tmp_path / "v.mkv", asked(9))


def test_a_video_that_takes_too_long_is_unreadable(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "TIMEOUT_S", 0.01)
    with pytest.raises(VideoUnreadable, match=r"v\.mp4 could not be read through in 0\.01 s"):
        preview.duration_ms(video)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (signal.SIGXCPU, r"v\.mp4 could not be read through in \d+ s of computing"),
        (signal.SIGSEGV, "ended by SIGSEGV"),
    ],
)
def test_a_child_that_a_signal_ended_is_spoken_for(
    video: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals, says: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nulimit -c 0\nkill -{number.name.removeprefix('SIG')} $$\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    with pytest.raises(VideoUnreadable, match=says):
        preview.duration_ms(video)
