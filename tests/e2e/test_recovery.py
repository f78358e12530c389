"""Killed, raced, rerun and changed: nothing is lost, and nothing is computed twice without need."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import Tell
from tests.e2e.conftest import REEL, Kadr

PARTS = (
    *("--only", "shots,quality,tags,objects,loudness,voice,sounds"),
    *("--set", "probe.chunk_ms=6000", "--to", "0:30"),
)
KILLS = 20
Register = Callable[[subprocess.Popen[bytes]], subprocess.Popen[bytes]]


def kill_somebody(process: subprocess.Popen[bytes], rng: random.Random) -> str:
    """Kill -9 the coordinator alone, a worker alone, or all at once; says which."""
    workers = [child.pid for child in psutil.Process(process.pid).children()]
    who = rng.choice(["coordinator", "worker", "all"]) if workers else "coordinator"
    victims = {"coordinator": [process.pid], "worker": workers[:1], "all": [process.pid, *workers]}[who]
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return who


def test_killed_at_random_moments_it_resumes_to_the_same_digests(
    kadr: Kadr, tmp_path: Path, started: Register, tell: Tell
) -> None:
    calm = Kadr(tmp_path / "calm", Path(kadr.environment["KADR_WEIGHTS"]))
    began = time.monotonic()
    assert calm("analyze", REEL, *PARTS, "--out", tmp_path / "a", "--json").code == 0
    whole_s = time.monotonic() - began
    seed = 20261121
    rng = random.Random(seed)
    log, tally, rounds = tmp_path / "log", Counter[str](), 0
    while sum(tally.values()) < KILLS:
        rounds += 1
        process = started(kadr.start("analyze", REEL, *PARTS, "--out", tmp_path / "b", "--json", log=log))
        while sum(tally.values()) < KILLS:
            time.sleep(whole_s * rng.uniform(0.05, 0.3))
            if process.poll() is not None:
                break
            who = kill_somebody(process, rng)
            tally[who] += 1
            if who != "worker":
                process.wait()
                break
        if process.wait() == 0:
            assert kadr.results() == calm.results()
            for path in (kadr.home / "store").glob("*"):
                if path.name != "aliases":
                    subprocess.run(["rm", "-rf", str(path)], check=True)
    assert kadr("analyze", REEL, *PARTS, "--out", tmp_path / "b", "--json").code == 0
    assert kadr.results() == calm.results()
    events = [
        json.loads(line)
        for line in log.read_text().splitlines()
        if line.startswith("{") and line.endswith("}")
    ]
    begun = sum(e["event"] == "task.started" for e in events)
    done = sum(e["event"] == "task.done" and not e["cached"] for e in events)
    tell(
        f"{sum(tally.values())} kills -9 (seed {seed}: {dict(tally)}) over {rounds} starts: "
        f"{begun} tasks begun, {done} ended, {begun - done} begun in vain"
    )
    assert begun - done <= 4 * KILLS  # at most what was in flight


def test_two_processes_on_one_video_share_the_work(kadr: Kadr, tmp_path: Path, started: Register) -> None:
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    both = [
        started(kadr.start("analyze", REEL, *PARTS, "--out", tmp_path / log.stem, "--json", log=log))
        for log in logs
    ]
    codes = [p.wait(timeout=240) for p in both]
    assert codes == [0, 0], [log.read_text()[-3000:] for log in logs]
    computed = Counter(
        e["task"]
        for log in logs
        for line in log.read_text().splitlines()
        if (e := json.loads(line))["event"] == "task.done" and not e["cached"]
    )
    assert set(computed.values()) == {1}


def test_rerun_computes_nothing_and_a_change_recomputes_what_depends_on_it(
    kadr: Kadr, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out", "--json")
    only = ("--only", "shots,quality,loudness,voice", "--set", "probe.chunk_ms=20000")
    first = kadr("analyze", REEL, *only, *out)
    assert first.code == 0
    again = kadr("analyze", REEL, *only, *out)
    assert again.video["how"] == "finished"
    assert again.video["run_id"] == first.video["run_id"]
    assert again.video["tasks"]["computed"] == 0
    changed = kadr("analyze", REEL, *only, *out, "--set", "quality.blur_threshold=55")
    recomputed = {e["component"] for e in changed.events("task.done") if not e["cached"]}
    assert recomputed == {"quality"}
    finer = kadr("analyze", REEL, *only, *out, "--set", "quality.fps=4")
    assert {e["component"] for e in finer.events("task.done") if not e["cached"]} == {"quality", "decode"}
    refreshed = kadr("analyze", REEL, *only, *out, "--refresh")
    assert all(not e["cached"] for e in refreshed.events("task.done"))
    video_id = hashlib.sha256(REEL.read_bytes()).hexdigest()
    for manifest in (kadr.home / "store/runs").glob("*/*/manifest.json"):
        records = [e["record"] for e in json.loads(manifest.read_text())["records"]]
        assert [r["video_id"] for r in records if r["task"] == "acquire"] == [video_id]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_it_says_how_and_resumes(
    kadr: Kadr, tmp_path: Path, started: Register, number: signal.Signals
) -> None:
    log = tmp_path / "log"
    process = started(kadr.start("analyze", REEL, *PARTS, "--out", tmp_path / "b", "--json", log=log))
    while "task.done" not in (log.read_text() if log.exists() else ""):
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=20) == 128 + number
    said = kadr("analyze", REEL, *PARTS, "--out", tmp_path / "b", "--json")
    assert said.code == 0
    assert said.events("run.admitted")[0]["how"] == "resumed"
