"""Every mistake is one clear sentence and an exit code; help is there and imports nothing heavy."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.main import COMMANDS

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Kadr

ROOT = Path(__file__).parents[3]
HEAVY = ("numpy", "av", "onnxruntime", "cv2", "pydantic", "rich", "cli.analyze")


def test_help_lists_the_commands(kadr: Kadr) -> None:
    said = kadr("--help")
    assert said.code == 0
    for name, (_, text) in COMMANDS.items():
        assert name in said.out
        assert text in " ".join(said.out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(kadr: Kadr, name: str) -> None:
    said = kadr(name, "--help")
    assert (said.code, said.err) == (0, "")
    assert "Usage: " in said.out


def test_help_does_not_wait_for_what_commands_need() -> None:
    program = (
        "import sys; sys.argv = ['kadr', '--help']\n"
        "from cli.main import main\n"
        "try: main()\n"
        f"finally: print(*(m for m in {HEAVY!r} if m in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("analyse", "a.mp4"), 2, "No such command 'analyse' (did you mean 'analyze'?)."),
        (("analyze", "a.mp4", "--language", "English"), 2, "'English' is no code of a language"),
        (("analyze", ""), 2, "Invalid value for 'VIDEOS...': it is empty"),
        (("plan", "a.mp4", ""), 2, "Invalid value for 'VIDEOS...': it is empty"),
        (("analyze", "a.mp4", "--out", ""), 2, "Invalid value for '--out': it is empty"),
        (("analyze", "a.mp4", "--to", "0"), 2, "--to 0 leaves nothing to analyse"),
        (
            ("plan", "a.mp4", "--profile", "fast", "--set", "ocr.fps=1"),
            2,
            "kadr: --set ocr.fps=1: ocr is not in this run",
        ),
        (("analyze",), 2, "Missing argument 'VIDEOS...'"),
        (("analyze", "a.mp4", "--from", "soon"), 2, "'soon' is not a time"),
        (("analyze", "a.mp4", "--set", "fps=1"), 2, "write NAME.PARAM=VALUE"),
        (("analyze", "a.mp4", "--only", "ocrr"), 2, "kadr: there is no component 'ocrr'"),
        (("analyze", "a.mp4", "--profile", "nice"), 2, "kadr: there is no profile 'nice'"),
        (("analyze", ".", "--only", "loudness"), 1, ". is a folder: name its videos, e.g. './*.mp4'"),
        (("analyze", "*.none", "--only", "loudness"), 1, "no file matches *.none"),
        (
            ("analyze", "a.mp4", "--only", "loudness"),
            1,
            "cannot read a.mp4: No such file or directory",
        ),
        (("analyze", "empty.mp4", "--only", "loudness"), 1, "empty.mp4 is empty (0 bytes)"),
        (("analyze", "x" * 5000, "--only", "loudness"), 1, "File name too long"),
        (("analyze", "a.mp4", "--set", "ocr.fps=abc"), 2, "kadr: ocr.fps: 'abc' is not a number above 0"),
        (
            ("analyze", "a.mp4", "--set", "probe.chunk_ms=99999999999999999999"),
            2,
            "kadr: probe.chunk_ms: 99999999999999999999",
        ),
        (("analyze", "a.mp4", "--set", "report.picture_bytes=1"), 2, "kadr: report has no parameters to set"),
        (("plan", "*.none", "empty.mp4"), 1, "empty.mp4 is empty (0 bytes)"),
    ],
)
def test_mistakes(
    kadr: Kadr,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.mp4").touch()
    said = kadr(*arguments)
    assert (said.code, text in said.err) == (code, True), said.err
    assert "Traceback" not in said.err


def test_weights_that_are_missing_are_named_before_anything_is_done(
    kadr: Kadr, home: Path, tmp_path: Path
) -> None:
    said = kadr("analyze", tmp_path / "a.mp4", "--only", "speech")
    assert said.code == 1
    assert (
        "the weights of whisper_base are not on this machine: run `kadr models pull whisper_base`" in said.err
    )
    assert not (home / "store").exists()


@pytest.mark.parametrize("command", ["analyze", "plan"])
def test_a_home_that_can_keep_nothing_is_named(
    kadr: Kadr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KADR_HOME", str(tmp_path / "file/home"))
    said = kadr(command, "a.mp4", "--only", "loudness")
    assert said.code == 1
    assert said.err == (
        f"kadr: nothing can be kept in {tmp_path}/file/home/store: Not a directory; name another folder by KADR_HOME\n"
    )


def test_a_failed_video_is_exit_code_1_and_its_reason_is_told(kadr: Kadr, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is no video")
    said = kadr("analyze", tmp_path / "text.mp4", "--only", "loudness")
    assert said.code == 1
    assert "This is text, not a video" in said.out


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("KADR_THREADS", "abc", "kadr: KADR_THREADS='abc' will not do: it should be a valid integer"),
        ("KADR_THREADS", "0", "kadr: KADR_THREADS='0' will not do: it should be greater than or equal to 1"),
        ("KADR_MEDIA_MEMORY_MB", "1", "kadr: KADR_MEDIA_MEMORY_MB='1' will not do: it should be"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_value(
    kadr: Kadr, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, text: str
) -> None:
    monkeypatch.setenv(variable, value)
    said = kadr("models", "list")
    assert (said.code, said.err.startswith(text)) == (2, True), said.err


def test_bad_inputs_leave_no_folders(kadr: Kadr, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    said = kadr("analyze", tmp_path / "mistyped/a.mp4", tmp_path / "empty.mp4", "--only", "loudness")
    assert said.code == 1
    assert {p.name for p in tmp_path.iterdir()} <= {"empty.mp4", "home"}


def test_what_nobody_foresaw_is_one_sentence_and_a_file(
    kadr: Kadr, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nested = "[" * 100_000
    said = kadr("plan", "a.mp4", "--set", f"ocr.fps={nested}")
    assert said.code == 70
    assert said.err.startswith("kadr: an error inside Kadr: RecursionError")
    (kept,) = (home / "errors").iterdir()
    assert str(kept) in said.err
    assert len(said.err.splitlines()) == 1
    assert "Traceback" in kept.read_text()
    monkeypatch.setenv("KADR_HOME", "/dev/null/home")
    elsewhere = kadr("plan", "a.mp4", "--set", f"ocr.fps={nested}")
    assert elsewhere.code == 70
    assert "/dev/null" not in elsewhere.err


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ("analyze", 2, "WrongUsage"),
        ("analyze a.mp4 --profile nice", 2, "InvalidProfile"),
        ("analyze a.mp4 --only speech", 1, "ModelUnavailable"),
        ("plan --nothing a.mp4", 2, "WrongUsage"),
        ("plan a.mp4 --only ocrr", 2, "InvalidProfile"),
        ("show nothing", 1, "ObjectMissing"),
        ("show --all x", 2, "WrongUsage"),
        ("models check nothing", 2, "WrongUsage"),
    ],
)
def test_errors_are_json_lines_too(kadr: Kadr, home: Path, arguments: str, code: int, error: str) -> None:
    said = kadr(*arguments.split(), "--json")
    (line,) = map(json.loads, said.out.splitlines())
    assert (said.code, line["event"], line["code"], line["exit_code"]) == (code, "error", error, code)
    assert line["message"] in said.err


@pytest.mark.parametrize(
    ("redirection", "code", "says"),
    [
        (">/dev/full", 1, "kadr: there is no space left where standard output goes\n"),
        (">&-", 0, ""),
        ("2>&- >/dev/null", 0, ""),
        ("| true", 0, ""),
    ],
)
def test_an_output_that_takes_nothing_is_no_riddle(
    home: Path, redirection: str, code: int, says: str
) -> None:
    command = f"{shlex.quote(sys.executable)} -m cli.main models list --json {redirection}"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, says)
