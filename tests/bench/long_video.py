"""A long video made of the reel's material: ×realtime, where the time goes, and chunked against unchunked.

    python tests/bench/long_video.py [--minutes 10] [--profiles fast,standard] [--keep FOLDER]

Runs `kadr analyze` in a fresh home each time and prints tables in Markdown. Ratios are within one run of this script.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ONE_CHUNK = ("--set", "probe.chunk_ms=36000000", "--set", "voice.chunk_ms=36000000")
SHOT_TOLERANCE_MS, TRACK_TOLERANCE_MS = 80, 500


def main() -> None:
    """Make the video, run the profiles, compare chunked with unchunked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--profiles", default="fast,standard")
    parser.add_argument("--keep", type=Path, help="Folder to work in and keep; default: a temporary one.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        video = make(folder, given.minutes)
        for profile in given.profiles.split(","):
            run(video, folder / profile, profile)
        run(video, folder / "unchunked", "standard", *ONE_CHUNK)
        if (folder / "standard").exists():
            compare(folder / "standard", folder / "unchunked")


def make(folder: Path, minutes: float) -> Path:
    """The long video, made once in ``folder``."""
    video = folder / f"long-{minutes:g}.mp4"
    if not video.is_file():
        subprocess.run([sys.executable, ROOT / "samples/make_long.py", str(minutes), video], check=True)
    return video


def run(video: Path, out: Path, profile: str, *extra: str) -> None:
    """One cold run with a home of its own; prints its speed and its time by component."""
    if (out / "run.json").is_file():
        print(f"\n{out} is there already: not run again")
        return
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "KADR_HOME": home, "KADR_WEIGHTS": str(weights())}
        command = [
            sys.executable,
            "-m",
            "cli.main",
            "analyze",
            str(video),
            "--profile",
            profile,
            "--out",
            str(out),
        ]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [*command, *extra, "--json"], env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        manifest = json.loads(next(Path(home).glob("store/runs/*/*/manifest.json")).read_text())
        size = sum(p.stat().st_size for p in Path(home).glob("store/results/**/*") if p.is_file())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print_run(" ".join((profile, *extra)), out, manifest, wall, cpu, size)


def print_run(title: str, out: Path, manifest: Mapping[str, Any], wall: float, cpu: float, size: int) -> None:
    """Speed, and each component's share of the computing time."""
    media = json.loads((out / "insights.json").read_text())["video"]["duration_ms"] / 1000
    print(f"\n## {title}\n")
    print(
        f"{media:.0f} s of video in {wall:.1f} s: {media / wall:.2f}× realtime; {cpu:.0f} s CPU; {size / 1e6:.0f} MB stored"
    )
    rows = sorted(manifest["components"].items(), key=lambda kv: -kv[1]["seconds"])
    total = sum(c["seconds"] for _, c in rows)
    print("\n| component | tasks | task seconds | share |\n|---|---:|---:|---:|")
    for name, c in rows:
        if c["seconds"] >= 0.05:
            print(f"| {name} | {c['tasks']} | {c['seconds']:.1f} | {100 * c['seconds'] / total:.0f} % |")


def compare(chunked: Path, unchunked: Path) -> None:
    """What differs between the same analysis in many chunks and in one."""
    many, one = (json.loads((p / "insights.json").read_text()) for p in (chunked, unchunked))
    print("\n## chunked against unchunked\n\n| what | chunked | unchunked | agree |\n|---|---:|---:|---:|")
    starts = [[s["start_ms"] for s in i["shots"]] for i in (many, one)]
    _row("shots (within 80 ms)", starts, matched(starts[0], starts[1], SHOT_TOLERANCE_MS))
    for kind, label in (("texts", "text"), ("objects", "label"), ("faces", "emotion")):
        items = [[(str(x.get(label)), x["start_ms"], x["end_ms"]) for x in i[kind]] for i in (many, one)]
        if items[0] or items[1]:
            _row(f"{kind} (same {label}, ends within 500 ms)", items, alike(*items))
    words = [[w["text"] for s in i["transcript"] for w in s["words"]] for i in (many, one)]
    same = sum(
        b.size for b in SequenceMatcher(None, words[0], words[1], autojunk=False).get_matching_blocks()
    )
    _row("words (longest common)", words, same)
    for kind in ("sounds", "scenes"):
        spans = [[(str(x.get("label")), x["start_ms"], x["end_ms"]) for x in i[kind]] for i in (many, one)]
        _row(kind, spans, alike(*spans))


def matched(a: Sequence[int], b: Sequence[int], tolerance: int) -> int:
    left = sorted(b)
    hits = 0
    for t in sorted(a):
        near = [x for x in left if abs(x - t) <= tolerance]
        if near:
            left.remove(near[0])
            hits += 1
    return hits


def alike(a: Sequence[tuple[str, int, int]], b: Sequence[tuple[str, int, int]]) -> int:
    left = list(b)
    hits = 0
    for name, start, end in a:
        near = [
            x for x in left
            if x[0] == name and max(abs(x[1] - start), abs(x[2] - end)) <= TRACK_TOLERANCE_MS
        ]  # fmt: skip
        if near:
            left.remove(near[0])
            hits += 1
    return hits


def _row(what: str, found: Sequence[Sequence[object]], agree: int) -> None:
    many, one = map(len, found)
    print(f"| {what} | {many} | {one} | {agree} ({100 * agree / max(many, one, 1):.1f} %) |")


def weights() -> Path:
    sys.path.insert(0, str(ROOT))
    from kadr.settings import Settings

    return Settings().weights


if __name__ == "__main__":
    main()
