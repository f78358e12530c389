"""``kadr gc``: what nobody needs goes, at any moment, and nothing that somebody needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Kadr
from tests.media_files import numbered, write_video

ONLY = ("--only", "quality,loudness,shots")
DAY_S = 86_400


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "v.mp4"
    write_video(path, numbered(100), tone_s=4.0)
    return path


def collected(kadr: Kadr, *args: str) -> dict[str, Any]:
    said = kadr("gc", *args, "--json")
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)["removed"]
    return found


def age(folder: Path, days: float) -> None:
    """Everything below ``folder`` was last written ``days`` ago."""
    then = time.time() - days * DAY_S
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def objects(kadr: Kadr, pattern: str) -> list[Path]:
    return sorted((kadr.home / "store").glob(pattern))


def test_intermediates_expire_by_age_and_are_made_again_on_demand(
    kadr: Kadr, video: Path, tmp_path: Path
) -> None:
    analyze = ("analyze", video, *ONLY, "--out", tmp_path / "o", "--json")
    kadr(*analyze)
    whole = kadr.results()
    assert collected(kadr) == {}
    age(kadr.home / "store/results", 8)
    would = collected(kadr, "--dry-run")
    packs = objects(kadr, "results/local/*/decode/*/*.npz")
    assert would["expired"]["bytes"] >= sum(p.stat().st_size for p in packs) > 0
    assert collected(kadr) == would
    assert not objects(kadr, "results/local/*/decode/*/*.npz")
    assert objects(kadr, "results/local/*/quality/*/*.npz")
    again = kadr(*analyze)
    assert (again.video["how"], again.video["tasks"]["computed"]) == ("finished", 0)
    changed = kadr(*analyze, "--set", "shots.detector=content")
    assert changed.code == 0
    made = {e["component"] for e in changed.events("task.done") if not e["cached"]}
    assert made == {"shots", "decode"}
    assert {n: d for n, d in kadr.results().items() if "shots" not in n} == {
        n: d for n, d in whole.items() if "shots" not in n
    }


def test_runs_go_only_when_asked_and_what_only_they_refer_to_goes_with_them(
    kadr: Kadr, video: Path, tmp_path: Path
) -> None:
    kadr("analyze", video, *ONLY, "--out", tmp_path / "o")
    age(kadr.home / "store", 31)
    assert set(collected(kadr)) == {"expired"}
    kadr("analyze", video, "--only", "quality", "--out", tmp_path / "p")  # a new run: it shares quality
    gone = collected(kadr, "--runs-older-than", "30d")
    assert gone["run"]["count"] == 1
    assert "unreferenced" in gone
    assert not objects(kadr, "results/local/*/loudness/*/*")
    assert objects(kadr, "results/local/*/quality/*/*.json")
    assert len(objects(kadr, "state/local/*/request.json")) == len(objects(kadr, "runs/local/*")) == 1
    assert kadr("verify", "--stored").code == 0
    assert (tmp_path / "o/report.html").is_file()
    age(kadr.home / "store", 31)
    gone = collected(kadr, "--runs-older-than", "30d")
    assert {"run", "video"} <= set(gone)
    assert not [p for p in (kadr.home / "store").rglob("*") if p.is_file()]
    assert not objects(kadr, "results/*")  # no empty folders either


def test_what_is_young_is_left_alone_whoever_refers_to_it(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    """A result without a record may be about to get one."""
    kadr("analyze", video, *ONLY, "--out", tmp_path / "o")
    for request in objects(kadr, "state/local/*/request.json"):
        request.unlink()
    assert "unreferenced" not in collected(kadr)
    age(kadr.home / "store/results", 1.01)
    assert "unreferenced" not in collected(kadr)
    age(kadr.home / "store/results", 2)
    assert collected(kadr)["unreferenced"]["count"] > 5


def test_running_work_does_not_notice(kadr: Kadr, video: Path, tmp_path: Path, weights: Path) -> None:
    """Collected as hard as possible, again and again, while a run goes on: the same results come out."""
    asked = (*ONLY, "--set", "probe.chunk_ms=1000", "--json")
    kadr("analyze", video, *asked, "--out", tmp_path / "o")
    whole = kadr.results()
    second = Kadr(tmp_path / "second", weights)
    process = second.start("analyze", video, *asked, "--out", tmp_path / "p", log=tmp_path / "log")
    passes = 0
    while process.poll() is None:
        collected(second, "--older-than", "0s", "--runs-older-than", "30d")
        passes += 1
    assert process.returncode == 0
    assert passes
    assert second.results() == whole


def test_downloads_of_no_run_and_old_notes_of_errors_go(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    folders = [kadr.home / "downloads" / name for name in ("used", "unused", "young", "begun.part")]
    for folder in folders:
        folder.mkdir(parents=True)
        shutil.copy(video, folder / "video.mp4")
    for name in ("old.txt", "new.txt"):
        (kadr.home / "errors").mkdir(exist_ok=True)
        (kadr.home / "errors" / name).write_text("Traceback")
    assert kadr("analyze", folders[0] / "video.mp4", "--only", "loudness", "--out", tmp_path / "o").code == 0
    assert "download" not in collected(kadr)
    for folder in (folders[0], folders[1], folders[3]):
        age(folder, 8)
    os.utime(kadr.home / "errors/old.txt", (0, 0))
    would = collected(kadr, "--dry-run")
    assert would["download"] == {"count": 2, "bytes": 2 * video.stat().st_size}
    assert would["error"]["count"] == 1
    assert all(folder.is_dir() for folder in folders)
    assert collected(kadr) == would
    assert [f.name for f in folders if f.is_dir()] == ["used", "young"]
    assert [p.name for p in (kadr.home / "errors").iterdir()] == ["new.txt"]
    age(kadr.home / "store", 31)
    gone = collected(kadr, "--dry-run", "--runs-older-than", "30d")
    assert gone["download"]["count"] == 1
    assert {n: g for n, g in collected(kadr, "--runs-older-than", "30d").items() if n != "unreferenced"} == {
        n: g for n, g in gone.items() if n != "unreferenced"
    }
    assert not folders[0].exists()


def test_a_run_whose_report_is_being_made_stays(
    kadr: Kadr,
    video: Path,
    tmp_path: Path,
    started: Callable[[subprocess.Popen[bytes]], subprocess.Popen[bytes]],
) -> None:
    kadr("analyze", video, "--only", "loudness", "--out", tmp_path / "o")
    age(kadr.home / "store", 31)
    (request,) = objects(kadr, "state/local/*/request.json")
    held = f"run-{request.parent.name}-1"
    hold = f"from pathlib import Path; from kadr.storage.claims import FileClaims as C; import signal;\
c = C(Path({str(kadr.home / 'store/claims')!r})).take({held!r}); print('held', flush=True); signal.pause()"
    process = started(subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE))
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    assert "run" not in collected(kadr, "--runs-older-than", "30d")
    process.kill()
    process.communicate()
    assert collected(kadr, "--runs-older-than", "30d")["run"]["count"] == 1


@pytest.mark.parametrize("wrong", ["7", "d", "7w", "-1d", ""])
def test_a_wrong_age_is_wrong_usage(kadr: Kadr, wrong: str) -> None:
    said = kadr("gc", f"--older-than={wrong}")
    assert said.code == 2
    assert "is not an age: write e.g. 7d" in said.err
