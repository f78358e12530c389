"""Make a corpus of results, records and manifests as this version of Kadr writes them: later versions must still read it.

    python tests/corpus/make.py

writes ``tests/corpus/<version>/``: the store of runs of two videos, without what expires (frame packs, sound) and without
the report pages. One run is complete; one lost a component to a damaged model and was tried again with a whole one, so it has
two epochs; one looks at a video without sound. Run it once for a release, commit what it made, and never change it again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kadr import __version__
from kadr.settings import Settings

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = Path("/tmp/kadr-corpus")
"""Names of files stand in requests: they should be nobody's."""
COMMON = ("--set", "probe.chunk_ms=5000", "--out")


def main() -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "cards").mkdir(parents=True)
    for name in ("kadr", "functions", "inference", "cli", "exports"):
        shutil.copytree(ROOT / name, WORK / "tree" / name, ignore=shutil.ignore_patterns("__pycache__"))
    talk, mute = WORK / "talk.mp4", WORK / "mute.mp4"
    ffmpeg("-ss", "9", "-t", "12", "-i", ROOT / "samples/reel.mp4", "-vf", "scale=640:-2", "-crf", "30", talk)
    ffmpeg("-i", talk, "-t", "3", "-an", "-c:v", "copy", mute)
    kadr("analyze", talk, "--profile", "full", *COMMON, WORK / "talk")
    broken = damaged_model("nanodet")
    only = ("--only", "objects,quality", "--set", "objects.fps=1")
    kadr("analyze", talk, *only, *COMMON, WORK / "retried", KADR_MODELS=str(broken), expected=3)
    kadr("analyze", talk, *only, *COMMON, WORK / "retried")
    kadr("analyze", mute, "--only", "shots,loudness,speech", *COMMON, WORK / "mute")
    kadr("gc", "--older-than", "0s")
    made = HERE / __version__
    shutil.rmtree(made, ignore_errors=True)
    kept = shutil.ignore_patterns("claims", "tmp", "report")
    shutil.copytree(WORK / "home/store", made, ignore=kept)
    shutil.rmtree(WORK)


def damaged_model(name: str) -> Path:
    """A folder of cards in which the model's file has one byte changed."""
    shutil.copytree(ROOT / f"inference/models/{name}", WORK / f"cards/{name}")
    weights = next(p for p in (WORK / f"cards/{name}/1").iterdir() if p.suffix == ".onnx")
    body = bytearray(weights.read_bytes())
    body[len(body) // 2] ^= 1
    weights.unlink()
    weights.write_bytes(bytes(body))
    return WORK / "cards"


def ffmpeg(*args: str | Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, args)], check=True)


def kadr(*args: str | Path, expected: int = 0, **environment: str) -> None:
    """Out of a copy: records of failures hold the places where they came from."""
    own = {
        "KADR_HOME": str(WORK / "home"),
        "KADR_WEIGHTS": str(Settings().weights),
        "PYTHONPATH": str(WORK / "tree"),
    }
    command = [sys.executable, "-m", "cli.main", *map(str, args)]
    done = subprocess.run(command, env={**os.environ, **own, **environment}, cwd=WORK / "tree", check=False)
    if done.returncode != expected:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}, not {expected}")


if __name__ == "__main__":
    main()
