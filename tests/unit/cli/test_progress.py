"""What a terminal shows of several runs: who is at work, who waits, and how far all of them are."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.compose import Machine
from cli.options import Choice
from cli.progress import Lines
from kadr.pipeline.admission import Admitted, Asked, draft
from kadr.pipeline.spec import SourceRef
from kadr.settings import Settings
from tests.media_files import numbered, write_video

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for index in range(7):
        write_video(folder / f"{index}.mp4", numbered(30 + index))
    (folder / "twin.mp4").write_bytes((folder / "0.mp4").read_bytes())
    (folder / "empty.mp4").touch()
    return folder


def on_terminal(columns: int, *arguments: object, home: Path) -> tuple[int, list[str]]:
    """Exit code and lines of ``kadr`` in a terminal of that width, every frame that was drawn after the other."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "KADR_HOME": str(home), "TERM": "xterm", "COLUMNS": str(columns)},
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    drawn = b""
    try:
        while block := os.read(ours, 65536):
            drawn += block
    except OSError:
        pass  # Linux's way to say that the other side is closed
    finally:
        os.close(ours)
    text = drawn.decode()
    return process.wait(), [plain(line) for line in text.replace("\r", "\n").splitlines()]


def plain(line: str) -> str:
    """``line`` without its escapes."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)


@pytest.mark.parametrize("columns", [80, 120])
def test_several_videos(videos: Path, tmp_path: Path, columns: int) -> None:
    named = sorted(videos.glob("*.mp4"))
    only = ("--only", "quality", "--out", tmp_path / "o")
    code, lines = on_terminal(columns, "analyze", *named, *only, home=tmp_path / "home")
    assert code == 1  # one is empty
    assert max(map(len, lines)) <= columns
    assert any("(0 bytes)" in line for line in lines)  # a long path before it may be wrapped anywhere
    assert "twin.mp4: the same video as 0.mp4" in lines
    assert sum(": complete (" in line for line in lines) == 7
    whole = [line for line in lines if "all 9 videos" in line]
    assert any("0 done, " in line for line in whole)
    assert "9 done" in whole[-1]
    assert "waiting" not in whole[-1]


def test_one_video_has_no_row_for_all(videos: Path, tmp_path: Path) -> None:
    only = ("--only", "quality", "--out", tmp_path / "o")
    code, lines = on_terminal(80, "analyze", videos / "0.mp4", *only, home=tmp_path / "home")
    assert code == 0
    assert not any("all 1" in line for line in lines)
    assert any("0.mp4 ━" in line for line in lines)
    assert "0.mp4: complete (4 computed, 0 cached)" in lines


def lines_of(clock: Callable[[], float]) -> tuple[Lines, str]:
    """Lines with one run begun, and its id."""
    machine = Machine(Settings())
    question = machine.question(Choice("fast", only=("shots",)).profile())
    source = SourceRef("/a.mp4", 1, 1)
    request = draft(Asked(Path("/a.mp4"), question.profile, question.graph, {}), "0" * 64, source)
    lines = Lines(clock)
    lines.begin(Admitted(request, source, "new", False, False), "a.mp4", machine.catalogue)
    return lines, request.run_id


def test_lines_say_now_and_then_what_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    now_s = [0.0]
    lines, run_id = lines_of(lambda: now_s[0])
    facts = {"run_id": run_id, "task": "shots", "component": "shots", "chunk": [60_000, 120_000]}
    lines.event({"event": "task.started", **facts})
    for second in range(1, 46):
        now_s[0] = float(second)
        lines.event({"event": "task.progress", **facts, "fraction": second / 100})
    said = capsys.readouterr().err.splitlines()[1:]
    assert len(said) == 2
    assert all("at work on" in line and "shots at 01:00" in line for line in said)
