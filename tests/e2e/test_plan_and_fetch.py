"""`kadr plan` before and after; payloads that expired; videos by URL; tasks side by side."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import REEL, Kadr
from tests.media_files import numbered, write_video

ONLY = ("--only", "shots,quality,loudness,voice")
Register = Callable[[subprocess.Popen[bytes]], subprocess.Popen[bytes]]


def plan(kadr: Kadr, video: Path, *args: str) -> dict[str, Any]:
    said = kadr("plan", video, *ONLY, *args, "--json")
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def rows(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["component"]: row for row in found["components"]}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "v.mp4"
    write_video(path, numbered(100), tone_s=4.0)
    return path


def test_a_plan_says_what_the_run_then_does(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    cold = plan(kadr, video)
    assert cold["answer"] == "new"
    assert cold["duration_ms"] == pytest.approx(4000, abs=60)
    first = rows(cold)
    assert first["probe"]["verdict"] == "miss"
    assert first["probe"]["why"][0].endswith("never computed for this video")
    assert first["quality"]["verdict"] == "depends"
    assert first["quality"]["why"] == ["depends on probe"]
    assert cold["seconds"][0] < cold["seconds"][1]
    assert kadr("analyze", video, *ONLY, "--out", tmp_path / "o", "--json").code == 0
    after = plan(kadr, video)
    assert after["answer"] == "finished"
    assert after["seconds"] == after["credits"] == [0.0, 0.0]


def test_a_plan_names_the_field_that_changed(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "o", "--json")
    assert kadr("analyze", video, *ONLY, *out).code == 0
    for args, expected in (
        (("--set", "quality.blur_threshold=55"), {"quality": "quality.blur_threshold: 40 → 55"}),
        (("--set", "quality.fps=4"), {"decode": "quality.fps: 2 → 4"}),
        (("--set", "voice.threshold=0.6"), {"voice": "voice.threshold: 0.5 → 0.6"}),
    ):
        found = plan(kadr, video, *args)
        missed = {c: r for c, r in rows(found).items() if r["verdict"] == "miss"}
        assert missed.keys() == expected.keys()
        assert rows(found)["shots"]["verdict"] == "hit"  # it reads other frames
        for component, why in expected.items():
            assert any(why in said for said in missed[component]["why"]), missed[component]["why"]
        said = kadr("analyze", video, *ONLY, *args, *out)
        computed = {e["component"] for e in said.events("task.done") if not e["cached"]}
        promised = {c for c, r in rows(found).items() if r["verdict"] in ("miss", "depends")}
        assert expected.keys() <= computed <= promised


def test_a_plan_for_people(kadr: Kadr, video: Path) -> None:
    said = kadr("plan", video, *ONLY, COLUMNS="160")
    assert "depends on probe" in said.out
    assert "A new run:" in said.out


def test_a_plan_does_not_open_a_video_whose_length_is_known(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    assert kadr("analyze", video, "--only", "loudness", "--out", tmp_path / "o", "--json").code == 0
    told = plan(kadr, video)["duration_ms"]
    before = video.stat()
    video.write_bytes(bytes(before.st_size))
    os.utime(video, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert plan(kadr, video)["duration_ms"] == told


def test_what_cannot_be_read_cannot_be_planned(kadr: Kadr, tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_text("not a video at all\n" * 9)
    said = kadr("plan", path, *ONLY)
    assert said.code == 1
    assert "This is text, not a video" in said.err


def test_an_expired_payload_is_made_again_when_somebody_needs_it(
    kadr: Kadr, video: Path, tmp_path: Path
) -> None:
    assert kadr("analyze", video, "--only", "shots", "--out", tmp_path / "o", "--json").code == 0
    packs = list((kadr.home / "store/results").glob("local/*/decode/*/*.npz"))
    assert packs
    for pack in packs:
        pack.unlink()
    untouched = kadr(
        "analyze",
        video,
        "--only",
        "shots",
        "--set",
        "shots.min_shot_ms=300",
        "--out",
        tmp_path / "o",
        "--json",
    )
    assert {e["component"] for e in untouched.events("task.done") if not e["cached"]} == {"shots"}
    assert not untouched.events("task.rearmed")  # the merge needs no pack
    said = kadr("plan", video, "--only", "shots", "--set", "shots.detector=content", "--json")
    decode = rows(json.loads(said.out))["decode"]
    assert (decode["verdict"], decode["why"]) == ("miss", ["its payload has expired"])
    needs = kadr(
        "analyze",
        video,
        "--only",
        "shots",
        "--set",
        "shots.detector=content",
        "--out",
        tmp_path / "o",
        "--json",
    )
    assert needs.code == 0, needs.out
    assert [e["component"] for e in needs.events("task.rearmed")] == ["decode"]


class _Server(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address(video: Path) -> Iterator[str]:
    handler = functools.partial(_Server, directory=str(video.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_url_is_fetched_once_and_analysed(kadr: Kadr, address: str, video: Path, tmp_path: Path) -> None:
    said = kadr("analyze", f"{address}/v.mp4", *ONLY, "--out", tmp_path / "o", "--json")
    assert said.code == 0, said.err
    assert (tmp_path / "o/report.html").is_file()
    again = kadr("analyze", f"{address}/v.mp4", *ONLY, "--out", tmp_path / "o", "--json")
    assert again.video["how"] == "finished"
    assert not again.events("note")
    gone = kadr("analyze", f"{address}/none.mp4", *ONLY, "--out", tmp_path / "p", "--json")
    assert gone.code == 1
    assert "404" in gone.err + gone.out


def test_two_urls_have_their_own_results(kadr: Kadr, address: str, video: Path, tmp_path: Path) -> None:
    write_video(video.with_name("w.mp4"), numbered(50))
    urls = (f"{address}/v.mp4", f"{address}/w.mp4")
    said = kadr("analyze", *urls, "--only", "quality", "--out", tmp_path / "o", "--json")
    assert said.code == 0, said.err
    reports = [Path(v["report"]) for v in said.events("summary")[0]["videos"]]
    assert [r.parent.name[:6] for r in reports] == ["v.mp4-", "w.mp4-"]
    titles = [json.loads((r.parent / "insights.json").read_text())["video"]["title"] for r in reports]
    assert titles == list(urls)


def test_results_are_there_when_a_run_is_done_not_when_all_are(
    kadr: Kadr, video: Path, tmp_path: Path, started: Register
) -> None:
    log = tmp_path / "log"
    process = started(
        kadr.start(
            "analyze", video, REEL, "--only", "quality,objects", "--json", "--out", tmp_path / "o", log=log
        )
    )
    while '"run.done"' not in (log.read_text() if log.exists() else ""):
        time.sleep(0.05)
        assert process.poll() is None
    process.kill()
    assert len(list((tmp_path / "o").glob("*/report.html"))) == 1


def test_only_a_part_of_the_video(kadr: Kadr, tmp_path: Path) -> None:
    said = kadr(
        "analyze",
        REEL,
        "--only",
        "quality,loudness",
        "--from",
        "00:10",
        "--to",
        "00:20",
        "--out",
        tmp_path / "o",
        "--json",
    )
    assert said.code == 0, said.out
    insights = json.loads((tmp_path / "o/insights.json").read_text())
    assert all(span["start_ms"] >= 9_000 and span["end_ms"] <= 21_000 for span in insights["quality"])
    wrong = kadr("analyze", REEL, "--from", "00:20", "--to", "00:10")
    assert wrong.code == 2
    assert kadr("analyze", REEL, "--from", "soon").code == 2


def test_captions_beside_the_video_are_part_of_the_question(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    shown, late = (
        "00:00:01,000 --> 00:00:02,500\nHello <b>there</b>\n",
        "01:00:00,000 --> 01:00:01,000\nBye\n",
    )
    video.with_suffix(".srt").write_text(f"1\n{shown}\n2\n{late}")
    asked = video, "--only", "captions,passages"
    file = video.with_suffix(".srt").name
    assert f"1 of 2 captions in {file} begin after the video's end: left out" in kadr("plan", *asked).err
    said = kadr("analyze", *asked, "--out", tmp_path / "o", "--json")
    assert said.code == 0, said.out
    assert said.video["captions_left_out"] == "1 caption that begins after the video's end"
    insights = json.loads((tmp_path / "o/insights.json").read_text())
    assert [(c["start_ms"], c["end_ms"], c["text"]) for c in insights["captions"]] == [
        (1000, 2500, "Hello there")
    ]
    assert any("Hello there" in p["text"] for p in insights["passages"])
