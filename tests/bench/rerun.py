"""What asking again costs: unchanged, as a new run over stored results, and with one parameter changed.

    python tests/bench/rerun.py [VIDEO]

Everything runs in one fresh home; prints a table in Markdown with times as ratios to the cold run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from kadr.settings import Settings  # noqa: E402 - the script runs from anywhere

CHANGES = {
    "unchanged": (),
    "unchanged, as a new run": ("--profile", "always.toml"),
    "one threshold of a merge (objects.min_peak)": ("--set", "objects.min_peak=0.5"),
    "one threshold of a model's task (ocr.min_score)": ("--set", "ocr.min_score=0.7"),
    "one sampling rate (tags.fps)": ("--set", "tags.fps=2"),
    "the language given (speech.language)": ("--set", "speech.language=en"),
}


def main() -> None:
    """Cold run, then each change, from the same store."""
    video = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "samples/reel.mp4"
    with tempfile.TemporaryDirectory() as folder:
        always = (ROOT / "kadr/profiles/standard.toml").read_text()
        (Path(folder) / "always.toml").write_text(f"cache_ttl_days = 0\n{always}")
        cold, _ = analyse(video, Path(folder), ())
        print(
            f"cold: {cold:.1f} s\n\n| asked again | seconds | of cold | computed | in all |\n|---|---:|---:|---|---:|"
        )
        for name, extra in CHANGES.items():
            seconds, events = analyse(video, Path(folder), extra)
            done = [e for e in events if e["event"] == "task.done"]
            made = sorted({e["component"] for e in done if not e["cached"]})
            print(
                f"| {name} | {seconds:.2f} | {seconds / cold:.3f} | {', '.join(made) or 'nothing'} | {len(done)} |"
            )


def analyse(video: Path, folder: Path, extra: tuple[str, ...]) -> tuple[float, list[dict[str, Any]]]:
    """Seconds that `kadr analyze` took, and its events."""
    command = [
        sys.executable,
        "-m",
        "cli.main",
        "analyze",
        str(video),
        "--out",
        str(folder / "out"),
        "--json",
    ]
    named = [str(folder / a) if a.endswith(".toml") else a for a in extra]
    environment = {**os.environ, "KADR_HOME": str(folder / "home"), "KADR_WEIGHTS": str(Settings().weights)}
    began = time.perf_counter()
    done = subprocess.run(
        [*command, *named], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return time.perf_counter() - began, [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main()
