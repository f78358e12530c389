"""What must not get into the store or out of it: changed sources, other versions, damaged results, half a refresh."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import REEL, Kadr
from tests.media_files import numbered, write_video

Register = Callable[[subprocess.Popen[bytes]], subprocess.Popen[bytes]]
SLOW = ("--only", "shots,objects", "--set", "probe.chunk_ms=6000")
PART = (*SLOW, "--to", "0:24")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "v.mp4"
    write_video(path, numbered(100), tone_s=4.0)
    return path


def wait_for(log: Path, word: str, process: subprocess.Popen[bytes]) -> None:
    while word not in (log.read_text() if log.exists() else ""):
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)


def test_a_video_that_changes_under_way_leaves_no_result_of_other_bytes(
    kadr: Kadr, tmp_path: Path, started: Register
) -> None:
    video, log = tmp_path / "v.mp4", tmp_path / "log"
    shutil.copy(REEL, video)
    process = started(kadr.start("analyze", video, *SLOW, "--out", tmp_path / "o", "--json", log=log))
    wait_for(log, "run.planned", process)
    with video.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0" * 500_000)
    assert process.wait(timeout=120) in (1, 3)
    failures = [
        json.loads(p.read_text()) for p in (kadr.home / "store/state").glob("*/*/1/decode.*.failed.json")
    ]
    assert failures
    assert {f["code"] for f in failures} == {"VideoChanged"}


def test_an_expired_payload_whose_video_goes_away_ends_the_run_rather_than_waiting(
    kadr: Kadr, video: Path, tmp_path: Path
) -> None:
    assert kadr("analyze", video, "--only", "shots", "--out", tmp_path / "o", "--json").code == 0
    for pack in (kadr.home / "store/results").glob("local/*/decode/*/*.npz"):
        pack.unlink()
    copy = tmp_path / "copy.mp4"
    shutil.copy2(video, copy)
    changed = (
        "analyze",
        copy,
        "--only",
        "shots",
        "--set",
        "shots.detector=content",
        "--out",
        tmp_path / "o",
        "--json",
    )
    log = tmp_path / "log"
    process = kadr.start(*changed, log=log)
    wait_for(log, "task.rearmed", process)
    copy.write_bytes(b"gone")
    assert process.wait(timeout=60) in (1, 3)


def test_a_component_of_another_version_than_planned_is_refused(
    own_kadr: Kadr, video: Path, tmp_path: Path
) -> None:
    own_kadr.edit("functions/loudness/component.py", "version=1", "version=2")
    done = own_kadr("analyze", video, "--only", "loudness", "--out", tmp_path / "o", "--json")
    assert "make catalog" in done.video["missing"]["loudness"]


def test_damaged_results_are_computed_again(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    only = ("--only", "quality,loudness", "--out", tmp_path / "o", "--json")
    assert kadr("analyze", video, *only).code == 0
    whole = kadr.results()
    results = kadr.home / "store/results/local"
    for pattern in ("*/probe/*/*.json", "*/quality/*/*.json"):
        next(iter(results.glob(pattern))).write_bytes(b"")
    for npz in results.glob("*/loudness/*/*.npz"):
        npz.unlink()
    shutil.rmtree(kadr.home / "store/state")
    shutil.rmtree(kadr.home / "store/runs")
    again = kadr("analyze", video, *only)
    assert again.code == 0, again.out
    assert kadr.results() == whole


def test_a_closed_run_is_never_worked_on(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    """Its record of acquire is not among those that count, as in runs cancelled early: it answers all the same."""
    asked = ("analyze", video, "--only", "quality", "--out", tmp_path / "out", "--json")
    first = kadr(*asked)
    (done,) = (kadr.home / "store/state").glob("*/*/done.1.*.json")
    body = json.loads(done.read_text())
    body["records"] = [name for name in body["records"] if "/acquire." not in name]
    done.write_text(json.dumps(body))
    again = kadr(*asked)
    assert (again.video["how"], again.video["run_id"]) == ("finished", first.video["run_id"])


def test_a_refresh_that_was_stopped_goes_on_as_a_refresh(
    kadr: Kadr, tmp_path: Path, started: Register
) -> None:
    out = ("--out", tmp_path / "o", "--json")
    assert kadr("analyze", REEL, *PART, *out).code == 0
    log = tmp_path / "log"
    process = started(kadr.start("analyze", REEL, *PART, *out, "--refresh", log=log))
    wait_for(log, '"cached": false', process)
    process.terminate()
    assert process.wait(timeout=20) == 143
    before = {json.loads(line)["task"] for line in log.read_text().splitlines() if '"task.done"' in line}
    answered = json.loads(kadr("plan", REEL, *PART, "--json").out)
    assert (answered["answer"], answered["seconds"]) == ("finished", [0, 0])
    planned = json.loads(kadr("plan", REEL, *PART, "--refresh", "--json").out)
    assert planned["answer"] == "resumed"
    assert planned["seconds"][1] > 0
    promised = {c["component"] for c in planned["components"] if c["verdict"] != "hit"}
    rest = kadr("analyze", REEL, *PART, *out, "--refresh")
    assert rest.events("run.admitted")[0]["how"] == "resumed"
    done = {e["task"] for e in rest.events("task.done")}
    assert not done & before
    assert {name.partition(".")[0] for name in done} == promised
    assert all(not e["cached"] and not e["drift"] for e in rest.events("task.done"))


def test_a_damaged_record_is_no_record(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    """A run that lost its end and one record's bytes is brought to the same end."""
    asked = ("analyze", video, "--only", "quality,loudness", "--out", tmp_path / "o", "--json")
    first = kadr(*asked)
    (done,) = (kadr.home / "store/state").glob("*/*/done.*.json")
    done.unlink()
    (record,) = (kadr.home / "store/state").glob("*/*/1/loudness.*.ok.json")
    whole = json.loads(record.read_text())
    record.write_bytes(b"")
    again = kadr(*asked, timeout=60)
    assert (again.code, again.video["how"]) == (0, "resumed")
    assert again.video["run_id"] == first.video["run_id"]
    assert json.loads(record.read_text())["results"][0]["digest"] == whole["results"][0]["digest"]


@pytest.mark.parametrize("salt", ["1", "2", "3"])
def test_a_payload_made_again_with_another_digest_counts(
    own_kadr: Kadr, video: Path, tmp_path: Path, salt: str
) -> None:
    """An expired pack comes out otherwise, as after an upgrade of the decoder: whether its digest is smaller or not."""
    out = ("--out", tmp_path / "o", "--json")
    assert own_kadr("analyze", video, "--only", "shots", *out).code == 0
    for pack in (own_kadr.home / "store/results").glob("*/*/decode/*/*.npz"):
        pack.unlink()
    made = "    return make_packs(source, probe.payload, items, chunk)"
    salted = f"""    made = make_packs(source, probe.payload, items, chunk)
    return {{n: Artifact(a.arrays, {{**a.payload, "salt": {salt}}}) for n, a in made.items()}}"""
    own_kadr.edit("functions/decode/component.py", made, salted)
    said = own_kadr("analyze", video, "--only", "shots", "--set", "shots.detector=content", *out)
    assert said.code == 0, said.video
    assert said.events("task.rearmed")
    again = own_kadr("analyze", video, "--only", "shots", "--set", "shots.detector=transnet", *out)
    assert again.code == 0, again.video
    assert not again.events("task.rearmed")  # the pack whose bytes exist is found


def test_a_finished_run_that_lost_something_is_made_good(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    asked = ("analyze", video, "--only", "quality,loudness", "--out", tmp_path / "o", "--json")
    first = kadr(*asked)
    for copy in (kadr.home / "store/runs").glob("*/*/manifests/*.json"):
        copy.write_bytes(b"{}")
    shutil.rmtree(tmp_path / "o")
    again = kadr(*asked)
    assert (again.code, again.video["how"]) == (0, "finished"), again.err
    assert kadr("show", first.video["run_id"]).code == 0
    (lost,) = (kadr.home / "store/results").glob("*/*/loudness/*/*.json")
    lost.unlink()
    repaired = kadr(*asked)
    assert (repaired.code, repaired.video["how"]) == (0, "new")
    assert {e["component"] for e in repaired.events("task.done") if not e["cached"]} == {"loudness"}
    assert kadr(*asked).video["how"] == "finished"


def test_cut_off_arrays_are_made_again(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "o", "--json")
    kadr("analyze", video, "--only", "loudness", *out)
    for npz in (kadr.home / "store/results").glob("*/*/pcm/*/*.npz"):
        npz.write_bytes(npz.read_bytes()[:1000])
    said = kadr("analyze", video, "--only", "voice", *out)
    assert said.code == 0, said.video
    assert {e["component"] for e in said.events("task.done") if not e["cached"]} == {"pcm", "voice"}
