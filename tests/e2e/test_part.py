"""--from and --to: every number that is told speaks of the part that was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Kadr
from tests.media_files import numbered, write_video

PART = ("--only", "quality", "--from", "2", "--to", "00:05")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("part") / "v.mp4"
    write_video(path, numbered(250))
    return path


def test_the_summary_and_the_plan_speak_of_the_part(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    planned = json.loads(kadr("plan", video, *PART, "--json").out)
    whole = json.loads(kadr("plan", video, "--only", "quality", "--json").out)
    assert (planned["duration_ms"], planned["asked_ms"]) == (10_000, [2_000, 5_000])
    assert planned["seconds"][1] < whole["seconds"][1]
    assert "3.0 s (00:02–00:05) of 10.0 s" in kadr("plan", video, *PART).out
    said = kadr("analyze", video, *PART, "--out", tmp_path / "o", "--json")
    assert (said.video["duration_ms"], said.video["asked_ms"]) == (10_000, [2_000, 5_000])
    again = kadr("analyze", video, *PART, "--out", tmp_path / "o", "--refresh")
    assert "part    00:02–00:05 of 00:10" in again.out
    seconds, speed = again.out.partition("took")[2].split("× realtime")[0].split(" s (")
    rounded = 0.05  # both are shown with one digit
    slowest, fastest = 3 / (float(seconds) + rounded), 3 / (float(seconds) - rounded)
    assert slowest - rounded <= float(speed) <= fastest + rounded


def test_a_part_beyond_the_end_is_refused_by_the_plan_too(kadr: Kadr, video: Path) -> None:
    beyond = ("--only", "quality", "--from", "1:00")
    said = kadr("plan", video, *beyond, "--json")
    assert said.code == 1
    assert "begins at 01:00, but the video ends at 00:10" in json.loads(said.out)["error"]
    assert kadr("analyze", video, *beyond).code == 1


def test_several_videos_are_timed_apart_and_together(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    other = tmp_path / "w.mp4"
    write_video(other, numbered(120))
    named = (video, other, tmp_path / "none.mp4")
    said = kadr("analyze", *named, "--only", "quality", "--out", tmp_path / "o", "--json")
    (summary,) = said.events("summary")
    first, second, third = summary["videos"]
    assert (first["status"], second["status"], third["status"]) == ("complete", "complete", "failed")
    assert 0 < second["seconds"] < summary["seconds"]
    again = kadr("analyze", *named, "--only", "quality", "--out", tmp_path / "o")
    assert again.out.splitlines()[-1].startswith("3 videos in ")
    assert again.out.splitlines()[-1].endswith(": 2 complete, 1 failed")
