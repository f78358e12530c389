"""``kadr export`` of a real run: to standard output, a file, a folder; and what it refuses."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet
import pytest
import webvtt

from exports.formats import FORMATS

if TYPE_CHECKING:
    from tests.e2e.conftest import Kadr

SOUND = Path(__file__).parents[1] / "data/wizard.flac"


@pytest.fixture(scope="module")
def reading(shared_kadr: Kadr, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of one person that was analysed."""
    video = tmp_path_factory.mktemp("export") / "a reading.flac"
    shutil.copy(SOUND, video)
    said = shared_kadr("analyze", video, "--only", "speech,speakers")
    assert said.code == 0, said.err
    return video


def test_one_track_goes_to_standard_output(shared_kadr: Kadr, reading: Path) -> None:
    said = shared_kadr("export", reading, "--format", "webvtt")
    assert said.code == 0, said.err
    cues = webvtt.from_buffer(io.StringIO(said.out)).captions
    assert "wizard" in " ".join(c.text for c in cues)


def test_several_go_into_a_folder_and_the_same_again_changes_nothing(
    shared_kadr: Kadr, reading: Path, tmp_path: Path
) -> None:
    asked = ("export", f"{reading}.kadr", "--format", "srt", "--format", "rttm", "--out", tmp_path / "out")
    said = shared_kadr(*asked)
    files = [tmp_path / "out/a reading.speech.srt", tmp_path / "out/a reading.rttm"]
    assert (said.code, said.out.splitlines()) == (0, list(map(str, files)))
    before = [f.stat().st_mtime_ns for f in files]
    assert shared_kadr(*asked).code == 0
    assert [f.stat().st_mtime_ns for f in files] == before


def test_all_formats_at_once(shared_kadr: Kadr, reading: Path, tmp_path: Path) -> None:
    asked = [argument for name in FORMATS for argument in ("--format", name)]
    said = shared_kadr("export", reading, *asked, "--out", tmp_path / "all")
    assert said.code == 0, said.err
    assert said.out.splitlines() == [str(p) for p in map(Path, said.out.splitlines()) if p.is_file()]
    assert json.loads((tmp_path / "all/a reading.coco.json").read_text())["annotations"] == []
    assert pyarrow.parquet.read_table(tmp_path / "all/a reading.words.parquet").num_rows > 10
    assert "note: otio: there are no shots to make clips of: the run was not asked for shots" in said.err


def test_what_somebody_else_wrote_is_replaced_only_by_force(
    shared_kadr: Kadr, reading: Path, tmp_path: Path
) -> None:
    path = tmp_path / "turns.rttm"
    path.write_text("somebody's own")
    asked = ("export", reading, "--format", "rttm", "--out", path)
    said = shared_kadr(*asked)
    assert said.code == 1
    assert f"{path} is there already and holds something else" in said.err
    assert path.read_text() == "somebody's own"
    assert shared_kadr(*asked, "--force").code == 0
    assert path.read_text().startswith("SPEAKER a%20reading 1 ")


@pytest.mark.skipif(sys.platform != "linux", reason="open files have names of Linux")
def test_an_open_file_is_written_into_and_nothing_else_said(shared_kadr: Kadr, reading: Path) -> None:
    asked = ("export", reading, "--format", "rttm", "--out")
    assert shared_kadr(*asked, "/dev/stdout").out == shared_kadr(*asked, "-").out
    assert Path("/dev/stdout").is_symlink()


def test_what_was_not_looked_for_is_empty_and_says_so(shared_kadr: Kadr, reading: Path) -> None:
    said = shared_kadr("export", reading, "--format", "srt", "--what", "text")
    assert (said.code, said.out) == (0, "")
    assert said.err.splitlines() == [
        "note: the run looked only for speech, speakers",
        "note: srt text: no text was read on screen: the run was not asked for ocr",
    ]


def test_what_cannot_be_is_refused_with_what_can(shared_kadr: Kadr, reading: Path, tmp_path: Path) -> None:
    for arguments, code, says in (
        (("--format", "webvtt", "--format", "srt", "--out", "-"), 2, "do not fit on standard output"),
        (("--format", "rttm", "--what", "text"), 2, "in none of the formats asked for: they have no tracks"),
        (("--format", "rttm", "--out", "/proc/no"), 1, "cannot write /proc/no: "),
    ):
        said = shared_kadr("export", reading, *arguments)
        assert (said.code, says in said.err) == (code, True), said.err


def test_a_run_without_a_report_says_what_makes_it(shared_kadr: Kadr, reading: Path) -> None:
    folder = next((shared_kadr.home / "store/runs").glob("*/*/report"))
    beside = Path(f"{reading}.kadr")
    hidden = [(p, p.with_name(f"{p.name}-away")) for p in (folder, beside)]
    for path, away in hidden:
        path.rename(away)
    try:
        said = shared_kadr("export", reading, "--format", "rttm")
    finally:
        for path, away in hidden:
            away.rename(path)
    assert said.code == 1
    assert "is complete and has no insights.json; there is no whole report" in said.err
    assert f"`kadr analyze '{reading}' --profile standard --only " in said.err
