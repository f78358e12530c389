"""Kadr against Pixeltable on the same insights: shots, objects, tags, texts and words, the same models and rates, one run.

    python tests/bench/pixeltable_peer.py [VIDEO]

Pixeltable gets an environment of its own (made once below --folder, pinned here) with Kadr's packages behind it, so that its
functions call the same models; it opens its own database there. Both get an empty store. Time is of the whole process; memory the
highest sum of proportional set sizes (PSS) of its processes, Pixeltable's PostgreSQL included. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from kadr.settings import Settings  # noqa: E402 - the script runs from anywhere

PIXELTABLE = "pixeltable==0.7.21"
ONLY = "shots,objects,tags,ocr,speech"
EVERY_S = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("video", nargs="?", type=Path, default=ROOT / "samples/reel.mp4")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "kadr-peer")
    asked = parser.parse_args()
    video = asked.video.absolute()
    python = environment(asked.folder)
    weights = {"KADR_WEIGHTS": str(Settings.read().weights)}
    home = asked.folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    rows = {}
    own = {**weights, "KADR_HOME": str(home / "kadr")}
    ours = [
        sys.executable,
        "-m",
        "cli.main",
        "analyze",
        str(video),
        "--only",
        ONLY,
        "--out",
        str(home / "out"),
    ]
    rows["Kadr"] = measured(ours, own, ())
    theirs = [str(python), str(ROOT / "tests/bench/peer/table.py"), str(video)]
    behind = os.pathsep.join([str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))])
    own = {**weights, "PIXELTABLE_HOME": str(home / "pixeltable"), "KADR_PEER_PATH": behind}
    try:
        rows["Pixeltable"] = measured(theirs, own, ("postgres",))
    finally:
        _stop_server(home / "pixeltable/pgdata/postmaster.pid")
    print("| what | seconds | peak MB (PSS) |\n|---|---:|---:|")
    for name, (seconds, peak) in rows.items():
        print(f"| {name} | {seconds:.1f} | {peak:.0f} |")
    (s, m), (their_s, their_m) = rows["Kadr"], rows["Pixeltable"]
    print(f"| Kadr / {PIXELTABLE} | {s / their_s:.2f} | {m / their_m:.2f} |")


def environment(folder: Path) -> Path:
    """The Python that has Pixeltable; made if it is not there."""
    python = folder / "venv/bin/python"
    if not (folder / "ready").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PIXELTABLE], check=True)
        (folder / "ready").touch()
    return python


def measured(command: Sequence[str], own: Mapping[str, str], also: Sequence[str]) -> tuple[float, float]:
    """Wall seconds and peak MB of ``command`` with its children and the processes named in ``also`` that began since."""
    before = {p.pid for p in psutil.process_iter()}
    began, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own}, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, sum(_memory_mb(process.pid, before, also)))
        time.sleep(EVERY_S)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - began, peak


def _stop_server(told: Path) -> None:
    """End the database that Pixeltable leaves running, by the id that it wrote."""
    if told.is_file():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(told.read_text().split("\n", 1)[0]), signal.SIGINT)


def _memory_mb(pid: int, before: set[int], also: Sequence[str]) -> Iterator[float]:
    try:
        top = psutil.Process(pid)
        family = {p.pid: p for p in (top, *top.children(recursive=True))}
        for p in psutil.process_iter():
            if p.pid not in before and p.name() in also:
                family.setdefault(p.pid, p)
        for p in family.values():
            yield p.memory_full_info().pss / 2**20
    except psutil.Error:  # it has just ended
        return


if __name__ == "__main__":
    main()
