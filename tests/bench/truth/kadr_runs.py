"""Kadr as a person runs it: `kadr analyze` over files, and what it left behind."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kadr.settings import Settings

ROOT = Path(__file__).parents[3]
PRODUCT = ("kadr", "functions", "inference", "cli")
BENCH = ("tests/bench/truth",)


@dataclass(frozen=True)
class Found:
    """What Kadr found in one file."""

    insights: Mapping[str, Any]
    store: Path

    def __getitem__(self, field: str) -> Any:
        return self.insights[field]

    @cached_property
    def duration_ms(self) -> int:
        duration_ms: int = self.insights["video"]["duration_ms"]
        return duration_ms

    def arrays(self, component: str) -> dict[str, np.ndarray]:
        """The arrays of the component's result for the whole file, by name."""
        (path,) = (self._path(r["key"], r["digest"], component) for r in self._results(component))
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
            return dict(stored)

    def payload(self, component: str) -> dict[str, Any]:
        """What else the component's result for the whole file says."""
        (path,) = (self._path(r["key"], r["digest"], component) for r in self._results(component))
        stored: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())["payload"]
        return stored

    def _results(self, component: str) -> list[dict[str, str]]:
        (facts,) = (c for c in self.insights["run"]["components"] if c["name"] == component)
        return [r for r in facts["results"] if r["name"] == component]

    def _path(self, key: str, digest: str, component: str) -> Path:
        video_id = self.insights["video"]["video_id"]
        return self.store / f"results/local/{video_id}/{component}/{key}/{digest}"


class Runs:
    """``kadr analyze`` with a home of its own for each state of the product's code.

    ``code`` is the digest of all that decides a measured value: a change in it makes the bench measure anew.
    """

    def __init__(self, folder: Path) -> None:
        self.code = code_digest(PRODUCT + BENCH)
        self._home = folder / "homes" / code_digest(PRODUCT)[:16]
        self._weights = Settings.read().weights

    def __call__(self, files: Sequence[Path], *options: str) -> list[Found]:
        """Analyse the files in one go; raises RuntimeError with Kadr's words if one of them is not complete."""
        command = [sys.executable, "-m", "cli.main", "analyze", *map(str, files), *options, "--json"]
        out = (
            self._home / "out" / hashlib.sha256(json.dumps([str(f) for f in files]).encode()).hexdigest()[:16]
        )
        environment = {**os.environ, "KADR_HOME": str(self._home), "KADR_WEIGHTS": str(self._weights)}
        done = subprocess.run(
            [*command, "--out", str(out)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(
                f"kadr analyze ended with {done.returncode}:\n{done.stderr}{done.stdout[-2000:]}"
            )
        said = json.loads(done.stdout.splitlines()[-1])
        read = (json.loads((ROOT / v["insights"]).read_text()) for v in said["videos"])
        return [Found(insights, self._home / "store") for insights in read]


def code_digest(folders: Sequence[str]) -> str:
    """SHA-256 over the names and bytes of all files in the folders."""
    state = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                state.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return state.hexdigest()
