"""The ordinary bad inputs: each answers clearly, by exit code and words, and harms nothing else."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.registry import Registry
from tests.e2e.conftest import REEL, Kadr
from tests.media_files import numbered, write_video

CHEAP = ("--only", "shots,quality,loudness,voice")
Make = Callable[[Path], None]
Register = Callable[[subprocess.Popen[bytes]], subprocess.Popen[bytes]]


def truncated(path: Path) -> None:
    path.write_bytes(REEL.read_bytes()[:-60_000])


def cut_header(path: Path) -> None:
    path.write_bytes(REEL.read_bytes()[:2_000])


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("empty.mp4", lambda p: p.write_bytes(b""), "empty"),
        ("text.mp4", lambda p: p.write_text("Dear diary, today I was not a video.\n" * 50), "text"),
        ("noise.mp4", lambda p: p.write_bytes(bytes(range(256)) * 400), "no video"),
        ("header.mp4", cut_header, "truncated|moov|header"),
        ("list.mp4", lambda p: p.write_text("ffconcat version 1.0\nfile /etc/hostname\n"), "playlist"),
    ],
)  # fmt: skip
def test_what_is_no_video_fails_with_a_reason(
    kadr: Kadr, tmp_path: Path, name: str, make: Make, says: str
) -> None:
    path = tmp_path / name
    make(path)
    said = kadr("analyze", path, *CHEAP, "--json")
    assert said.code == 1
    text = json.dumps(said.video)
    assert any(word in text for word in says.split("|")), text
    assert "Traceback" not in said.err


def test_a_bad_video_among_good_ones_does_not_stop_them(kadr: Kadr, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.mp4", tmp_path / "bad.mp4"
    write_video(good, numbered(75), tone_s=3.0)
    bad.write_bytes(b"")
    said = kadr("analyze", bad, good, *CHEAP, "--out", tmp_path / "out", "--json")
    statuses = {v["video"]: v["status"] for v in said.events("summary")[0]["videos"]}
    assert statuses == {"bad.mp4": "failed", "good.mp4": "complete"}
    assert said.code == 1
    assert (tmp_path / "out/good.mp4.kadr/report.html").is_file()


def test_what_is_named_and_not_there_does_not_stop_the_others(kadr: Kadr, tmp_path: Path) -> None:
    good = tmp_path / "good.mp4"
    write_video(good, numbered(50))
    named = ("http://127.0.0.1:1/dead.mp4", tmp_path / "*.none", tmp_path / "mistyped/a.mp4", good)
    said = kadr("analyze", *named, "--only", "quality", "--out", tmp_path / "out", "--json")
    assert said.code == 1, said.err
    statuses = {v["video"].rpartition("/")[2]: v["status"] for v in said.events("summary")[0]["videos"]}
    assert statuses == {"dead.mp4": "failed", "*.none": "failed", "a.mp4": "failed", "good.mp4": "complete"}
    assert len(said.events("video.failed")) == 3
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.mp4.kadr"]
    planned = kadr("plan", *named, "--only", "quality", "--json")
    assert planned.code == 1
    assert [("error" in line) for line in map(json.loads, planned.out.splitlines())] == [
        True,
        True,
        True,
        False,
    ]


def test_a_name_that_is_not_utf8_is_as_good_as_any(kadr: Kadr, tmp_path: Path) -> None:
    good, odd = tmp_path / "good.mp4", Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4"))
    write_video(good, numbered(50))
    try:
        shutil.copy(good, odd)
    except OSError as error:
        pytest.skip(f"this file system refuses names that are not UTF-8: {error}")
    said = kadr("analyze", odd, good, "--only", "quality", "--out", tmp_path / "out", "--json")
    assert "Traceback" not in said.err
    videos = {v["video"]: v for v in said.events("summary")[0]["videos"]}
    assert videos["good.mp4"]["status"] == videos["?.mp4"]["status"] == "complete"
    assert Path(videos["?.mp4"]["report"]).is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_file_is_hashed_stops_everything(
    kadr: Kadr, tmp_path: Path, started: Register, number: signal.Signals
) -> None:
    good, log = tmp_path / "good.mp4", tmp_path / "log"
    write_video(good, numbered(50))
    endless = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in endless:
        path.touch()
        os.truncate(path, 1 << 40)
    process = started(kadr.start("analyze", good, *endless, "--only", "quality", "--json", log=log))
    while "run.admitted" not in (log.read_text() if log.exists() else ""):
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=20) == 128 + number
    assert "video.failed" not in log.read_text()
    assert not endless[0].with_name("a.mp4.kadr").exists()


def test_no_audio_and_audio_only_are_complete_with_what_there_is(kadr: Kadr, tmp_path: Path) -> None:
    silent, heard = tmp_path / "silent.mp4", tmp_path / "heard.flac"
    write_video(silent, numbered(75))
    shutil.copy(Path(__file__).parents[1] / "data" / "two_cities.flac", heard)
    for path, lane in ((silent, "transcript"), (heard, "shots")):
        said = kadr("analyze", path, *CHEAP, "--out", tmp_path / path.stem, "--json")
        assert said.code == 0, said.out
        assert said.video["status"] == "complete"
        insights = json.loads((tmp_path / path.stem / "insights.json").read_text())
        assert insights[lane] == []
        assert any(m["why"] == "no_stream" for m in insights["missing"])


def test_a_truncated_video_gives_what_can_be_read(kadr: Kadr, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    truncated(path)
    said = kadr("analyze", path, *CHEAP, "--out", tmp_path / "out", "--json")
    assert said.code in (0, 3), said.out
    insights = json.loads((tmp_path / "out/insights.json").read_text())
    assert insights["shots"]


def test_a_missing_file_a_folder_and_wrong_usage(kadr: Kadr, tmp_path: Path) -> None:
    missing = kadr("analyze", tmp_path / "no.mp4", *CHEAP)
    assert missing.code == 1
    assert "no.mp4" in missing.err + missing.out
    folder = kadr("analyze", tmp_path, *CHEAP)
    assert folder.code == 1
    assert "is a folder" in folder.err
    assert kadr("analyze").code == 2
    wrong = kadr("analyze", REEL, "--set", "ocr.fsp=1")
    assert wrong.code == 2
    assert "ocr has no parameter 'fsp'" in wrong.err


def test_a_model_file_with_a_wrong_digest_fails_its_component_only(kadr: Kadr, tmp_path: Path) -> None:
    cards = tmp_path / "cards"
    shutil.copytree(Path(__file__).parents[2] / "inference/models/nanodet", cards / "nanodet")
    weights = cards / "nanodet/1/model.onnx"
    body = bytearray(weights.read_bytes())
    body[len(body) // 2] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(bytes(body))
    assert Registry(own_cards=(cards,)).card("nanodet").name == "nanodet"
    video = tmp_path / "v.mp4"
    write_video(video, numbered(50), tone_s=2.0)
    said = kadr(
        "analyze",
        video,
        "--only",
        "objects,quality",
        "--out",
        tmp_path / "o",
        "--json",
        KADR_MODELS=str(cards),
    )
    assert said.code == 3
    assert "is not the file that the card of nanodet names" in said.video["missing"]["objects"]
    assert "quality" not in said.video["missing"]


def test_a_missing_model_is_said_before_anything_is_spent(kadr: Kadr, tmp_path: Path) -> None:
    said = kadr(
        "analyze", REEL, "--only", "speech", "--out", tmp_path / "o", KADR_WEIGHTS=str(tmp_path / "none")
    )
    assert said.code == 1
    assert "kadr models pull whisper_base" in said.err
    assert not (kadr.home / "store/state").exists()


def test_odd_names_are_analysed_and_cannot_speak_to_the_terminal(kadr: Kadr, tmp_path: Path) -> None:
    folder = tmp_path / 'o\'dd "dir" ✨'
    folder.mkdir()
    video = folder / "a\x1b]0;owned\x07 <b>&\nb.mp4"
    write_video(tmp_path / "plain.mp4", numbered(50))
    (tmp_path / "plain.mp4").rename(video)
    said = kadr("analyze", video, "--only", "quality")
    assert said.code == 0, said.err
    assert "\x1b" not in said.out + said.err
    assert "\x07" not in said.out + said.err
    page = (folder / f"{video.name}.kadr/report.html").read_text()
    assert "<b>&" not in page.partition("</title>")[0]


def limited() -> None:
    """No file may grow beyond 100 kB: what a full disk does, without needing one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_no_space_left_is_said_and_the_run_resumes(kadr: Kadr, tmp_path: Path) -> None:
    arguments = ("analyze", REEL, "--only", "shots", "--out", tmp_path / "o", "--json")
    done = subprocess.run(
        kadr.command(*arguments), env=kadr.environment, capture_output=True, text=True, check=False,
        preexec_fn=limited, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "no space" in done.stdout.lower()
    again = kadr(*arguments)
    assert again.code == 0, again.out
    assert again.events("run.admitted")[0]["how"] == "resumed"


def test_a_component_that_raises_leaves_its_reason_and_the_rest_is_done(
    own_kadr: Kadr, tmp_path: Path
) -> None:
    """A real component with a real bug."""
    bug = "    raise ZeroDivisionError('a bug')\n    power = levels"
    own_kadr.edit("functions/loudness/component.py", "    power = levels", bug)
    video = tmp_path / "v.mp4"
    write_video(video, numbered(50), tone_s=2.0)
    said = own_kadr("analyze", video, "--only", "loudness,quality", "--out", tmp_path / "o", "--json")
    assert said.code == 3, said.out + said.err
    assert said.video["missing"] == {"loudness": "a bug"}
    failed = list((own_kadr.home / "store/state").glob("*/*/1/loudness.*.failed.json"))
    assert "ZeroDivisionError" in failed[0].read_text()
