"""A run is found by what people call it, and shown as it is: finished, failed, or still open."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli.again import helps
from cli.compose import Machine
from cli.damage import in_short
from cli.holding import hold
from cli.show import counted
from tests.media_files import numbered, write_video

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Kadr

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Place:
    """A home with two runs in it: of ``sound``, which is complete, and the later one of ``text``, which failed."""

    home: Path
    sound: Path
    text: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("show")
    place = Place(folder / "home", folder / "a reading.flac", folder / "text.mp4")
    shutil.copy(ROOT / "tests/data/wizard.flac", place.sound)
    place.text.write_text("this is no video")
    for video in (place.sound, place.text):
        command = [sys.executable, "-m", "cli.main", "analyze", str(video), "--only", "loudness"]
        environment = {**os.environ, "KADR_HOME": str(place.home)}
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    return place


@pytest.fixture
def place(made: Place, kadr: Kadr, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("KADR_HOME", str(made.home))
    return made


def shown(kadr: Kadr, *named: object) -> dict[str, Any]:
    said = kadr("show", *named, "--json")
    assert said.code == 0, said.err
    run: dict[str, Any] = json.loads(said.out)
    return run


def test_a_complete_run(kadr: Kadr, place: Place) -> None:
    run = shown(kadr, place.sound)
    loudness = run["components"]["loudness"]
    assert (run["status"], run["video"], run["source"]) == (
        "complete",
        "a reading.flac",
        place.sound.as_uri(),
    )
    assert loudness["tasks"] == {"known": 1, "done": 1, "computed": 1, "cached": 0}
    assert loudness["counts"] == {"times": 46}
    assert Path(loudness["results"][0]["file"]).is_file()
    assert run["files"]["report.html"] == f"{place.sound}.kadr/report.html"


def test_it_is_found_by_path_id_beginning_and_name(kadr: Kadr, place: Place) -> None:
    run_id = shown(kadr, place.sound)["run_id"]
    assert {shown(kadr, name)["run_id"] for name in (run_id, run_id[:8], "a reading.flac")} == {run_id}
    assert shown(kadr)["video"] == "text.mp4"


def test_a_copy_is_shown_under_the_name_that_was_asked_for(
    kadr: Kadr, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KADR_HOME", str(shutil.copytree(place.home, tmp_path / "home", dirs_exist_ok=True)))
    copy = Path(shutil.copy(place.sound, tmp_path / "copy.flac"))
    run = shown(kadr, copy)
    assert (run["video"], run["source"]) == ("copy.flac", copy.as_uri())
    assert shlex.split(run["again"])[2] == str(copy)
    assert run["run_id"] == shown(kadr, place.sound)["run_id"]
    shutil.copytree(f"{place.sound}.kadr", f"{copy}.kadr")
    report = f"{copy}.kadr/report.html"
    assert shown(kadr, copy)["files"]["report.html"] == report
    mark = Path(f"{copy}.kadr/run.json")
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "video": "../copy.flac"}))
    of_folder = shown(kadr, f"{copy}.kadr")
    assert (of_folder["video"], of_folder["files"]["report.html"]) == ("copy.flac", report)
    assert kadr("show", copy).out.startswith("copy.flac complete\n")
    other = kadr("analyze", copy, "--only", "pcm", "--out", tmp_path / "other", "--json")
    assert (
        shown(kadr, place.sound)["run_id"] == run["run_id"]
    )  # another question about a copy is not about this
    assert shown(kadr, copy)["run_id"] == json.loads(other.out.splitlines()[-1])["videos"][0]["run_id"]
    assert f"{place.home}" not in kadr("diff", copy, copy).out
    assert "copy.flac" in kadr("diff", copy, copy).out


def test_a_folder_elsewhere_shows_its_own_report(kadr: Kadr, place: Place, tmp_path: Path) -> None:
    """As one made by --out."""
    shutil.copytree(f"{place.sound}.kadr", tmp_path / "out")
    assert shown(kadr, tmp_path / "out")["files"]["report.html"] == str(tmp_path / "out/report.html")


def test_what_gc_removed_is_said_with_what_to_do(
    kadr: Kadr, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shutil.copytree(place.home, tmp_path / "home", dirs_exist_ok=True) / "store"
    monkeypatch.setenv("KADR_HOME", str(store.parent))
    run_id = shown(kadr, place.sound)["run_id"]
    shutil.rmtree(next(store.glob("results/local/*/loudness")))
    said = kadr("show", run_id)
    again = shlex.join(["kadr", "analyze", str(place.sound), "--profile", "standard", "--only", "loudness"])
    assert said.code == 0
    assert (
        f"results of loudness are not in the store any more (or are damaged): `{again}` makes them"
        in said.out
    )
    shutil.rmtree(store / "state/local" / run_id)
    shutil.rmtree(store / "runs/local" / run_id)
    for command, named in (("show", place.sound), ("show", f"{place.sound}.kadr"), ("verify", place.sound)):
        said = kadr(command, named)
        assert said.code == 1
        assert f"{place.sound}.kadr shows run {run_id}, which is not in {store} any more" in said.err
        assert "`kadr analyze` of the video makes a new run" in said.err
        assert "state/local" not in said.err


def test_without_its_folder_the_report_is_the_stored_one(kadr: Kadr, place: Place, tmp_path: Path) -> None:
    beside = Path(f"{place.sound}.kadr")
    beside.rename(tmp_path / "away")
    try:
        report = Path(shown(kadr, place.sound)["files"]["report.html"])
    finally:
        (tmp_path / "away").rename(beside)
    assert report.is_relative_to(place.home)
    assert report.is_file()


@pytest.mark.parametrize("body", ["", "[1]", '{"transcript": [{}]}'])
def test_damaged_insights_do_not_hide_the_run(kadr: Kadr, place: Place, body: str) -> None:
    path = Path(f"{place.sound}.kadr/insights.json")
    before = path.read_text()
    path.write_text(body)
    try:
        said = kadr("show", place.sound, "--json")
    finally:
        path.write_text(before)
    assert (said.code, json.loads(said.out)["found"]) == (0, {})
    assert f"skipped: {path} cannot be read" in said.err


def test_a_failed_run_says_what_failed_and_what_that_cost(kadr: Kadr, place: Place) -> None:
    components = shown(kadr, place.text)["components"]
    assert components["probe"]["error"]["code"] == "VideoUnreadable"
    said = kadr("show", place.text)
    lines = said.out.splitlines()
    assert lines[0] == "text.mp4 failed"
    assert any(line.startswith("probe is failed: VideoUnreadable: ") for line in lines)
    assert "loudness is blocked: needs pcm, which is blocked" in lines
    assert "asking the same again would fail alike" in lines
    refused = kadr("export", place.text, "--format", "srt")
    assert refused.code == 1
    assert refused.err.endswith(
        "nothing to export; This is text, not a video: check that the right file was given; "
        "asking the same again would fail alike\n"
    )


def test_a_state_has_one_word_everywhere(kadr: Kadr, home: Path, tmp_path: Path) -> None:
    video = tmp_path / "text.mp4"
    video.write_text("this is no video")
    analysed = kadr("analyze", video, "--only", "loudness").out.splitlines()
    assert [line.split() for line in analysed if "what failed" in line] == [
        ["blocked", "pcm,", "loudness:", "they", "need", "what", "failed"]
    ]
    assert shown(kadr, video)["components"]["pcm"]["state"] == "blocked"
    found = json.loads(Path(f"{video}.kadr/insights.json").read_text())
    assert {m["why"] for m in found["missing"]} == {"failed", "blocked"}


def test_only_what_may_end_otherwise_is_asked_again() -> None:
    assert helps([])
    assert helps(["VideoUnreadable", "WorkerDied"])
    assert not helps(["VideoUnreadable", "InvalidProfile"])


def test_a_stopped_run_does_not_hide_the_complete_one(
    kadr: Kadr, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(place.home, tmp_path / "home", dirs_exist_ok=True)
    monkeypatch.setenv("KADR_HOME", str(home))
    anew = ("analyze", place.sound, "--only", "loudness", "--refresh", "--out", tmp_path / "o", "--json")
    run_id = json.loads(kadr(*anew).out.splitlines()[-1])["videos"][0]["run_id"]
    for path in (home / "store/state/local" / run_id).glob("done.*"):
        path.unlink()  # what Ctrl-C leaves
    refused = kadr("export", place.sound, "--format", "json")
    assert f"run {run_id} of a reading.flac is stopped and has no insights.json" in refused.err
    resume, other = re.findall(r"`(kadr [^`]+)`", refused.err)
    assert "--refresh" in resume
    assert shlex.split(other) == ["kadr", "export", f"{place.sound}.kadr"]
    assert kadr(*shlex.split(other)[1:], "--format", "rttm").code == 0


def test_what_a_failed_run_could_not_look_for_is_not_lost(kadr: Kadr, place: Place, tmp_path: Path) -> None:
    said = kadr("diff", place.sound, place.text)
    assert ", failed" in said.out.splitlines()[1]
    assert "not compared, because it was blocked after: loudness" in said.out
    assert "loudness integrated_lufs" not in said.out
    told = json.loads(kadr("diff", place.sound, place.text, "--json", "--page", tmp_path / "d.html").out)
    assert (told["before"]["status"], told["after"]["status"]) == ("complete", "failed")
    assert [n["kind"] for n in told["not_compared"]] == ["loudness"]
    page = (tmp_path / "d.html").read_text()
    assert "a reading.flac and text.mp4" in page
    assert "These are two different videos." in page


def test_a_file_that_is_cut_off_is_said_to_be(kadr: Kadr, home: Path, tmp_path: Path) -> None:
    cut = write_video(tmp_path / "cut.mkv", numbered(100)).path
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    analysed = kadr("analyze", cut, "--only", "probe")
    (line,) = [line for line in kadr("show", cut).out.splitlines() if line.startswith("damaged ")]
    assert line.startswith("damaged the file is cut off: its header says ")
    assert line.removeprefix("damaged ") in " ".join(analysed.out.split())
    assert shown(kadr, cut)["warnings"] == [line.removeprefix("damaged ")]
    assert json.loads(kadr("show", "--all", "--json").out)[0]["damaged"] == "file cut off"
    assert kadr("show", "--all").out.splitlines()[1].endswith("file cut off")
    exported = kadr("export", cut, "--format", "srt")
    assert "note: The file is cut off: it should last 4 s but holds only " in exported.err
    assert "Copy or download it again.\n" in exported.err


def test_an_open_run_is_running_or_stopped_and_says_how_it_goes_on(
    kadr: Kadr, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(place.home, tmp_path / "home", dirs_exist_ok=True)
    monkeypatch.setenv("KADR_HOME", str(home))
    run_id = shown(kadr, place.sound)["run_id"]
    state = home / "store/state/local" / run_id
    for path in (*state.glob("done.*"), *state.glob("1/loudness.*")):
        path.unlink()  # what a kill leaves: closed by nobody, one component begun
    claim = hold(Machine().store, run_id)
    run = shown(kadr, run_id)
    assert (run["status"], run["components"]["loudness"]["state"]) == ("running", "running")
    assert "a process works on it now" in kadr("show", run_id).out
    assert claim is not None
    claim.release()
    run = shown(kadr, run_id)
    assert (run["status"], run["components"]["loudness"]["state"]) == ("stopped", "stopped")
    assert run["components"]["pcm"]["state"] == "succeeded"
    assert run["files"] == {}
    again = shlex.join(["kadr", "analyze", str(place.sound), "--profile", "standard", "--only", "loudness"])
    assert f"nobody works on it: `{again}` resumes it" in kadr("show", run_id).out
    assert json.loads(kadr("show", "--all", "--json").out)[1]["status"] == "stopped"
    for path in state.glob("1/*"):
        path.unlink()  # as one of a batch that nobody has come to
    assert shown(kadr, run_id)["status"] == "stopped"
    claim = hold(Machine().store, run_id)
    assert shown(kadr, run_id)["status"] == "waiting"
    assert "comes to it when those before it let it" in kadr("show", run_id).out
    assert claim is not None
    claim.release()


def test_a_run_of_other_components_cannot_be_resumed(kadr: Kadr, place: Place) -> None:
    run_id = shown(kadr, place.text)["run_id"]
    path = place.home / f"store/state/local/{run_id}/request.json"
    body = path.read_text()
    request = json.loads(body)
    request["graph"]["nodes"][0]["version"] += 1
    path.write_text(json.dumps(request))
    try:
        said = kadr("show", run_id).out
    finally:
        path.write_text(body)
    assert "components of this run have changed since: `kadr analyze " in said


def test_all_runs_newest_first(kadr: Kadr, place: Place) -> None:
    runs = json.loads(kadr("show", "--all", "--json").out)
    assert [(r["video"], r["status"]) for r in runs] == [
        ("text.mp4", "failed"),
        ("a reading.flac", "complete"),
    ]
    assert runs[0]["missing"] == {"probe": "failed", "pcm": "blocked", "loudness": "blocked"}
    table = kadr("show", "--all").out.splitlines()
    assert [line.split()[1] for line in table[1:]] == ["failed", "complete"]


def test_what_is_not_there_is_said_with_what_to_do(kadr: Kadr, place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_text("never analysed")
    for named, text in {
        "nothing.mp4": "no run and no file is called 'nothing.mp4': `kadr show --all` lists the runs",
        "ffffffff": "no run and no file is called 'ffffffff' any more (`kadr gc` may have removed it): `kadr show",
        str(other): f"{other} was not analysed yet: do it with `kadr analyze {other}`",
        str(tmp_path): f"{tmp_path} is a folder without results: name a run, a video, or a folder NAME.kadr",
        "x" * 5000: "no run and no file is called 'xxx",
    }.items():
        said = kadr("show", named)
        assert (said.code, text in said.err) == (1, True), said.err


def test_an_empty_home_has_no_runs(kadr: Kadr, home: Path) -> None:
    said = kadr("show")
    assert (said.code, said.err) == (1, "kadr: there are no runs yet: make one with `kadr analyze VIDEO`\n")
    assert json.loads(kadr("show", "--all", "--json").out) == []
    assert kadr("show", "--all").out == "there are no runs yet: make one with `kadr analyze VIDEO`\n"


def test_a_beginning_that_two_runs_have_is_refused(kadr: Kadr, home: Path) -> None:
    for end in ("0", "1"):
        path = home / f"store/state/local/abcd000{end}-0000-4000-8000-000000000000/request.json"
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    said = kadr("show", "abcd")
    assert said.code == 2
    assert "2 runs begin with abcd: abcd0000-" in said.err


def test_a_damaged_request_is_skipped_and_named(kadr: Kadr, home: Path) -> None:
    path = home / "store/state/local/abcd0000-0000-4000-8000-000000000000/request.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    said = kadr("show", "--all", "--json")
    assert (said.code, json.loads(said.out)) == (0, [])
    assert (
        "skipped: state/local/abcd0000-0000-4000-8000-000000000000/request.json is not a request" in said.err
    )


def test_all_and_one_do_not_go_together(kadr: Kadr, home: Path) -> None:
    assert kadr("show", "--all", "x").code == 2


def test_things_are_counted_by_their_times() -> None:
    shapes = {
        "t_ms": [5],
        "value": [5],
        "word_start_ms": [20],
        "word_end_ms": [20],
        "key_frame_ms": [3],
        "end_ms": [7],
        "det_t_ms": [9],
    }
    arrays = {name: {"shape": shape} for name, shape in shapes.items()}
    assert counted(arrays) == {"times": 5, "word": 20, "key frame": 3, "det": 9}


def test_what_an_analysis_left_behind_names_its_run(kadr: Kadr, place: Place) -> None:
    run_id = shown(kadr, place.sound)["run_id"]
    folder = f"{place.sound}.kadr"
    named = (folder, f"{folder}/run.json", f"{folder}/report.html")
    assert {shown(kadr, name)["run_id"] for name in named} == {run_id}


def test_a_flipped_byte_is_found_and_healed_by_the_commands_that_are_said(
    kadr: Kadr, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shutil.copytree(place.home, tmp_path / "home", dirs_exist_ok=True) / "store"
    monkeypatch.setenv("KADR_HOME", str(store.parent))
    run_id = shown(kadr, place.sound)["run_id"]
    (levels,) = store.glob("results/local/*/loudness/*/*.npz")
    whole = levels.read_bytes()
    levels.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    said = kadr("verify", run_id, "--stored")
    assert said.code == 1
    assert f"1 result of run {run_id} is not as it was recorded." in said.out
    drop, again = re.findall(r"`(kadr [^`]+)`", said.out)
    dropped = kadr(*shlex.split(drop)[1:])
    assert "Removed 1 damaged result: `kadr analyze" in dropped.out
    assert not levels.exists()
    healed = kadr(*shlex.split(again)[1:], "--out", tmp_path / "out", "--json")
    summary = json.loads(healed.out.splitlines()[-1])
    assert summary["videos"][0]["tasks"]["computed"] <= 2  # it, and the sound that had not to be kept
    assert levels.read_bytes() == whole
    assert kadr("verify", run_id, "--stored").code == 0


def test_a_folder_of_what_the_file_was_before_does_not_answer_for_it(
    kadr: Kadr, place: Place, tmp_path: Path
) -> None:
    video = tmp_path / "a.flac"
    video.write_bytes(place.sound.read_bytes() + b"more")
    shutil.copytree(f"{place.sound}.kadr", f"{video}.kadr")
    assert f"{video} was not analysed yet" in kadr("show", video).err


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        ({"stopped", "cut_off"}, "file cut off"),
        ({"joined", "time_stamps"}, "not all recordings of the file"),
        (set(), "file damaged"),
    ],
)
def test_damage_is_named_as_the_page_names_it(kinds: set[str], says: str) -> None:
    assert in_short(kinds) == says
    assert f"'{says}'" in (ROOT / "functions/report/page/main.js").read_text()
