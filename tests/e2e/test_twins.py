"""One video under several names in one call: it is analysed once, and shown under each."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

from tests.e2e.conftest import Kadr, Said
from tests.media_files import numbered, write_video

ONLY = ("--only", "quality")


def videos(folder: Path) -> list[Path]:
    """Two videos, and the first again under a third and a fourth name."""
    named = [folder / f"{name}.mp4" for name in ("one", "two", "three", "four")]
    write_video(named[0], numbered(20))
    write_video(named[1], numbered(30))
    for copy in named[2:]:
        shutil.copy(named[0], copy)
    return named


def computed(said: Said) -> Counter[tuple[str, str]]:
    return Counter((e["run_id"], e["task"]) for e in said.events("task.done") if not e["cached"])


def test_each_task_is_computed_once_and_each_name_has_its_report(kadr: Kadr, tmp_path: Path) -> None:
    named = videos(tmp_path)
    for refresh in ((), ("--refresh",)):
        said = kadr("analyze", *named, *ONLY, "--out", tmp_path / "o", "--json", *refresh)
        assert said.code == 0, said.out + said.err
        found = said.events("summary")[0]["videos"]
        assert [v["status"] for v in found] == ["complete"] * 4
        assert len({found[i]["run_id"] for i in (0, 2, 3)}) == 1
        assert set(computed(said).values()) == {1}
    for name in named:
        folder = tmp_path / "o" / f"{name.name}.kadr"
        assert json.loads((folder / "insights.json").read_text())["video"]["title"] == name.name
        assert f"{name.name}" in (folder / "report.html").read_text()
    assert not list((kadr.home / "store/claims").glob("run-*"))


def test_what_failed_is_not_tried_again_for_another_name(own_kadr: Kadr, tmp_path: Path) -> None:
    own_kadr.edit("functions/quality/component.py", "    return", "    raise ValueError('no')\n    return")
    said = own_kadr("analyze", *videos(tmp_path), *ONLY, "--out", tmp_path / "o", "--json")
    assert said.code == 3  # partial
    assert Counter(Counter((e["run_id"], e["task"]) for e in said.events("task.failed")).values()) == {1: 2}
    assert {e["how"] for e in said.events("run.admitted")} == {"new", "finished"}
    assert not list(own_kadr.home.glob("store/*/*/*/retries/*"))


def test_a_name_whose_first_could_not_be_analysed_says_why(kadr: Kadr, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("no video at all\n" * 100)
    said = kadr("analyze", tmp_path / "a.mp4", tmp_path / "b.mp4", *ONLY, "--out", tmp_path / "o", "--json")
    assert said.code == 1
    a, b = said.events("summary")[0]["videos"]
    assert a["status"] == b["status"] == "failed"
    assert (tmp_path / "o/b.mp4.kadr/report.html").is_file() == (
        tmp_path / "o/a.mp4.kadr/report.html"
    ).is_file()
