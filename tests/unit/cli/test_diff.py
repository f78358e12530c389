"""What ``kadr diff`` says of runs that looked at different parts, of files that are damaged, and of runs that failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.media_files import numbered, write_video

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Kadr

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.xdist_group("diff")  # its runs are made once


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with runs of whole.mkv, part.mkv (the same bytes), cut.mkv, joined.mp4, text.mp4."""
    folder = tmp_path_factory.mktemp("diff")
    whole = write_video(folder / "whole.mkv", numbered(200)).path
    body = whole.read_bytes()
    (folder / "part.mkv").write_bytes(body)
    (folder / "cut.mkv").write_bytes(body[: len(body) // 2])
    short = write_video(folder / "joined.mp4", numbered(100)).path
    short.write_bytes(short.read_bytes() * 2)
    (folder / "text.mp4").write_text("this is no video")
    environment = {**os.environ, "KADR_HOME": str(folder / "home")}
    all_but_part = [folder / name for name in ("whole.mkv", "cut.mkv", "joined.mp4", "text.mp4")]
    for asked in (all_but_part, [folder / "part.mkv", "--from", "2", "--to", "0:06"]):
        command = [sys.executable, "-m", "cli.main", "analyze", *map(str, asked), "--only", "quality"]
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    return folder


@pytest.fixture
def diff(made: Path, kadr: Kadr, monkeypatch: pytest.MonkeyPatch) -> Kadr:
    """``kadr diff`` of files by their names."""
    monkeypatch.setenv("KADR_HOME", str(made / "home"))

    def run(before: str, after: str, *more: object) -> Any:
        return kadr("diff", made / f"{before}.kadr", made / f"{after}.kadr", *more)

    return run


def test_a_part_is_compared_with_that_part_of_the_whole(diff: Kadr) -> None:
    said = diff("whole.mkv", "part.mkv")
    assert said.code == 0, said.out
    assert "asked   --from: not given → 00:02\nasked   --to: not given → 00:06\n" in said.out
    assert "part    compared 0:02.0–0:06.0 of 0:08.0; left out: 2 quality\n" in said.out
    assert "probe" not in said.out
    assert said.out.endswith("Nothing differs in what both were asked.\n")
    told = json.loads(diff("part.mkv", "whole.mkv", "--json").out)
    assert told["stretch"]["gaps"] == [[0, 2000], [6000, 8000]]
    assert told["asked_otherwise"] == ["--from: 00:02 → not given", "--to: 00:06 → not given"]


def test_the_damage_of_each_side_is_said_and_what_was_not_read_is_not_compared(
    diff: Kadr, tmp_path: Path
) -> None:
    said = diff("cut.mkv", "whole.mkv", "--page", tmp_path / "d.html").out
    (line,) = [line for line in said.splitlines() if line.startswith("damaged ")]
    assert line.startswith("damaged before: the file is cut off: its header says 8.0 s, but there are only ")
    assert "part    compared 0:00.0–0:0" in said
    assert "\nNothing differs in what could be compared.\n" in said
    page = (tmp_path / "d.html").read_text()
    assert ": nothing differs in what could be compared</h1>" in page
    assert line.removeprefix("damaged before: ") in page
    told = json.loads(diff("whole.mkv", "joined.mp4", "--json").out)
    (damage,) = told["after"]["damage"]
    assert damage.startswith("another recording follows in the file and is not read: ")
    assert (told["before"]["damage"], told["stretch"]["gaps"]) == ([], [[4000, 8000]])
    alike = diff("cut.mkv", "cut.mkv").out
    assert "damaged after: the file is cut off" in alike
    assert alike.endswith("Nothing differs.\n")


def test_runs_of_which_little_could_be_compared_are_not_the_same_to_a_script(diff: Kadr) -> None:
    failed = diff("text.mp4", "text.mp4")
    assert failed.code == 3
    assert failed.out.endswith("Nothing could be compared.\n")
    told = json.loads(diff("text.mp4", "text.mp4", "--json").out)
    assert (told["differ"], told["incomplete"], told["compared"]) == (False, True, [])
    assert diff("cut.mkv", "whole.mkv").code == 3
    assert diff("cut.mkv", "cut.mkv").code == 0
    assert json.loads(diff("whole.mkv", "whole.mkv", "--json").out)["compared"] == ["quality"]


def test_with_one_that_failed_there_is_no_table_of_nothing(diff: Kadr, tmp_path: Path) -> None:
    said = diff("whole.mkv", "text.mp4", "--page", tmp_path / "d.html")
    assert said.code == 1
    assert "status: complete → failed" in said.out
    assert "same" not in said.out
    assert "In short" not in (tmp_path / "d.html").read_text()


def test_a_run_is_dated_by_when_it_was_last_asked(diff: Kadr, made: Path) -> None:
    run_id = json.loads((made / "whole.mkv.kadr/run.json").read_text())["run_id"]
    (marker,) = (
        p for p in (made / "home/store").rglob(f"*{run_id}*") if "state" not in p.parts and p.is_file()
    )
    ago = marker.stat().st_mtime
    os.utime(marker, (ago, 4_000_000_000))  # as the same question, asked again in 2096, leaves it
    try:
        said = diff("part.mkv", "whole.mkv", "--json").out
    finally:
        os.utime(marker, (ago, ago))
    told = json.loads(said)
    assert told["after"]["asked"].startswith("2096-10-")
    assert not told["before"]["asked"].startswith("2096-10-")
