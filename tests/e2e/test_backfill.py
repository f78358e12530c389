"""``kadr backfill``: a plan over what was analysed before, then only the delta; old and new side by side until switched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Kadr
from tests.media_files import numbered, write_video

NEW = ("--only", "quality,loudness", "--json")


@pytest.fixture
def videos(kadr: Kadr, tmp_path: Path) -> list[Path]:
    """Three videos of which two were analysed for quality, and their folders."""
    paths = [tmp_path / f"{name}.mp4" for name in ("a", "b", "other")]
    for i, path in enumerate(paths):
        write_video(path, numbered(50 + 25 * i), tone_s=2.0)
    kadr("analyze", *paths[:2], "--only", "quality")
    kadr("analyze", paths[2], "--only", "loudness", "--out", tmp_path / "elsewhere")
    return paths


def shown(video: Path) -> str:
    mark = json.loads((video.with_name(f"{video.name}.kadr") / "run.json").read_text())
    return str(mark["run_id"])


def planned(kadr: Kadr, *args: str) -> dict[str, Any]:
    (plan,) = kadr("backfill", *NEW, "--dry-run", *args).events("plan")
    return {v["video"]: v for v in plan["videos"]}


def test_plan_delta_and_switch(kadr: Kadr, videos: list[Path], tmp_path: Path) -> None:
    before = {v: shown(v) for v in videos[:2]}
    plan = planned(kadr)
    assert {v: p["answer"] for v, p in plan.items()} == dict.fromkeys(("a.mp4", "b.mp4", "other.mp4"), "new")
    verdicts = {c["component"]: c["verdict"] for c in plan["a.mp4"]["components"]}
    assert (verdicts["quality"], verdicts["loudness"]) == ("hit", "depends")
    said = kadr("backfill", *NEW)
    assert said.code == 0, said.err
    computed = {(e["component"]) for e in said.events("task.done") if not e["cached"]}
    assert computed == {"loudness", "pcm", "quality", "decode"}  # the last two for the third video alone
    rows = {r["video"]: r for r in said.events("summary")[0]["videos"]}
    assert {v: shown(v) for v in videos[:2]} == before
    assert (Path(rows["a.mp4"]["shown_in"]) / "report.html").is_file()
    assert rows["a.mp4"]["before"] == before[videos[0]]
    assert kadr("diff", rows["a.mp4"]["before"], rows["a.mp4"]["now"]).code in (0, 1)
    switched = kadr("backfill", *NEW, "--switch")
    assert not [e for e in switched.events("task.done") if not e["cached"]]
    assert {v: shown(v) for v in videos[:2]} == {v: rows[v.name]["now"] for v in videos[:2]}
    assert not (tmp_path / "other.mp4.kadr").exists()  # its results were never shown beside it
    assert {p["answer"] for p in planned(kadr).values()} == {"finished"}


def test_only_where_and_without_what_is_gone(kadr: Kadr, videos: list[Path]) -> None:
    assert set(planned(kadr, "--where", "name=?.mp4")) == {"a.mp4", "b.mp4"}
    assert set(planned(kadr, "--where", "name!=?.mp4", "--where", "status=complete")) == {"other.mp4"}
    videos[1].unlink()
    said = kadr("backfill", *NEW, "--where", "name=?.mp4")
    assert said.code == 1
    plan = {v["video"]: v for v in said.events("plan")[0]["videos"]}
    assert "No such file" in plan["b.mp4"]["error"]
    assert [r["video"] for r in said.events("summary")[0]["videos"]] == ["a.mp4"]


def test_a_file_with_other_bytes_is_not_taken_for_the_video_before(kadr: Kadr, videos: list[Path]) -> None:
    only = ("--where", "name=?.mp4")
    write_video(videos[0], numbered(60), tone_s=1.0)
    said = kadr("backfill", *NEW, *only)
    assert said.code == 1
    plan = {v["video"]: v for v in said.events("plan")[0]["videos"]}
    assert plan["a.mp4"]["code"] == "VideoChanged"
    assert [r["video"] for r in said.events("summary")[0]["videos"]] == ["b.mp4"]
    assert kadr("analyze", videos[0], "--only", "quality").code == 0
    (again,) = kadr("backfill", *NEW, *only, "--dry-run").events("plan")
    assert sorted((v["video"], v["answer"]) for v in again["videos"]) == [
        ("a.mp4", "new"),
        ("b.mp4", "finished"),
    ]


def test_nothing_to_do_and_wrong_conditions(kadr: Kadr) -> None:
    assert "Nothing to do" in kadr("backfill", "--only", "quality").out
    said = kadr("backfill", "--where", "size=3")
    assert said.code == 2
    assert "fields are name, path, profile, status" in said.err
