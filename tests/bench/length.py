"""Whether length costs: time per minute and peak memory for 1, 10 and 60 minutes of video, cheap components, real decode and store.

    python tests/bench/length.py [MINUTES …]

The reel is looped. Memory is the proportional set size (PSS) of `kadr analyze` and its two workers together, sampled twice a second:
pages that they share count once. Prints a table in Markdown; DESIGN's budgets: time per minute at 60 / at 10 ≤ 1.05, peak
memory at 60 / at 1 ≤ 1.15.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from kadr.settings import Settings  # noqa: E402 - the script runs from anywhere

PROFILE = """name = "bench"
components = ["shots", "quality", "loudness", "voice", "sounds"]
"""
EVERY_S = 0.5


@dataclass(frozen=True)
class Measured:
    minutes: int
    seconds: float
    peak_mb: dict[str, float]
    """By process: coordinator, media, models, and ``all`` together at one moment."""
    stored_mb: dict[str, float]


def main() -> None:
    lengths = [int(a) for a in sys.argv[1:]] or [1, 10, 60]
    with tempfile.TemporaryDirectory() as name:
        found = [measured(minutes, Path(name)) for minutes in lengths]
    print(
        "| minutes | seconds | s per minute | peak MB (PSS): all | coordinator | media | models | stored MB an hour: packs | rest |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for m in found:
        memory = " | ".join(f"{m.peak_mb.get(w, 0):.0f}" for w in ("all", "coordinator", "media", "models"))
        stored = " | ".join(f"{m.stored_mb[w] * 60 / m.minutes:.0f}" for w in ("packs", "rest"))
        print(f"| {m.minutes} | {m.seconds:.1f} | {m.seconds / m.minutes:.2f} | {memory} | {stored} |")
    first, last = found[0], found[-1]
    middle = found[-2] if len(found) > 1 else first
    print(f"\ntime per minute, {last.minutes} / {middle.minutes} minutes: ", end="")
    print(f"{(last.seconds / last.minutes) / (middle.seconds / middle.minutes):.3f}")
    print(
        f"peak memory, {last.minutes} / {first.minutes} minutes: {last.peak_mb['all'] / first.peak_mb['all']:.3f}"
    )


def measured(minutes: int, folder: Path) -> Measured:
    """Analyse ``minutes`` of the looped reel in a fresh home."""
    video, home = folder / f"{minutes}.mp4", folder / f"home-{minutes}"
    loop = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", str(ROOT / "samples/reel.mp4")]
    subprocess.run([*loop, "-t", str(minutes * 60), "-c", "copy", str(video)], check=True)
    profile = folder / "bench.toml"
    profile.write_text(PROFILE)
    command = [sys.executable, "-m", "cli.main", "analyze", str(video), "--profile", str(profile)]
    own = {"KADR_HOME": str(home), "KADR_WEIGHTS": str(Settings.read().weights)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--out", str(folder / "out"), "--json"],
        cwd=ROOT, env={**os.environ, **own}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    peaks: dict[str, float] = {}
    while process.poll() is None:
        now = dict(_memory_mb(process.pid))
        now["all"] = sum(now.values())
        peaks = {w: max(peaks.get(w, 0.0), now.get(w, 0.0)) for w in {*peaks, *now}}
        time.sleep(EVERY_S)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{minutes} minutes: kadr analyze ended with {process.returncode}")
    sizes = {w: sum(p.stat().st_size for p in found) / 1e6 for w, found in _stored(home / "store").items()}
    video.unlink()
    return Measured(minutes, seconds, peaks, sizes)


def _memory_mb(pid: int) -> Iterator[tuple[str, float]]:
    try:
        coordinator = psutil.Process(pid)
        for process in (coordinator, *coordinator.children(recursive=True)):
            words = process.cmdline()
            who = "media" if "media" in words else "models" if "models" in words else "coordinator"
            yield who, process.memory_full_info().pss / 2**20
    except psutil.Error:  # it has just ended
        return


def _stored(store: Path) -> dict[str, list[Path]]:
    files = [p for p in store.rglob("*") if p.is_file()]
    packs = [p for p in files if "/decode/" in str(p) or "/pcm/" in str(p)]
    return {"packs": packs, "rest": [p for p in files if p not in set(packs)]}


if __name__ == "__main__":
    main()
