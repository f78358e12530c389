"""The command line as a person runs it: real processes, real store, real models, in a home of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kadr.settings import Settings

ROOT = Path(__file__).parents[2]
REEL = ROOT / "samples" / "reel.mp4"


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]
        return [e for e in found if kind is None or e["event"] == kind]

    @property
    def video(self) -> dict[str, Any]:
        """The first video of the summary."""
        first: dict[str, Any] = self.events("summary")[0]["videos"][0]
        return first


_MEASURED = "COVERAGE_PROCESS_CONFIG"
_seen: set[tuple[str, ...]] = set()


def unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` for processes whose lines are not counted."""
    return {name: value for name, value in environment.items() if name != _MEASURED}


def measured(*args: str | Path) -> dict[str, str]:
    """What has the lines of a command counted: the first of its kind is, as counting takes half as long again."""
    kind = tuple(sorted({word.partition("=")[0] for word in map(str, args) if word.startswith("--")}))
    kind = (str(args[0]) if args else "", *kind)
    if kind in _seen or _MEASURED not in os.environ:
        return {}
    _seen.add(kind)
    return {_MEASURED: os.environ[_MEASURED]}


class Kadr:
    """``kadr`` with a home of its own; weights are the ones that `kadr models pull` brought."""

    def __init__(self, home: Path, weights: Path, root: Path = ROOT) -> None:
        self.home = home
        self.root = root
        own = {"KADR_HOME": str(home), "KADR_WEIGHTS": str(weights), "PYTHONPATH": str(root)}
        self.environment = {**unmeasured(os.environ), **own}

    def __call__(self, *args: str | Path, timeout: float = 300, **environment: str) -> Said:
        done = subprocess.run(
            self.command(*args),
            env={**self.environment, **measured(*args), **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=self.root,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *args: str | Path, log: Path) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, its output appended to ``log``."""
        with log.open("ab") as file:
            return subprocess.Popen(
                self.command(*args),
                env=self.environment,
                stdout=file,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd=self.root,
            )

    def module(self, name: str) -> None:
        """Run one of its modules."""
        subprocess.run([sys.executable, "-m", name], env=self.environment, cwd=self.root, check=True)

    @staticmethod
    def command(*args: str | Path) -> list[str]:
        return [sys.executable, "-m", "cli.main", *map(str, args)]

    def edit(self, path: str, old: str, new: str) -> None:
        """Change the copy of the source that this one runs: ``old`` must occur in it."""
        assert self.root != ROOT, "only a copy is edited"
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new, 1))

    def results(self) -> dict[str, str]:
        """Name of every result that some record of a closed run points at, to its digest, by task and output."""
        found = {}
        for path in sorted((self.home / "store/runs").glob("*/*/manifest.json")):
            for entry in json.loads(path.read_text())["records"]:
                if entry["record"]:
                    for r in entry["record"]["results"]:
                        found[f"{entry['record']['task']}/{r['name']}"] = r["digest"]
        return found


@pytest.fixture(scope="session")
def weights() -> Path:
    return Settings().weights


@pytest.fixture
def kadr(tmp_path: Path, weights: Path) -> Kadr:
    return Kadr(tmp_path / "home", weights)


@pytest.fixture
def own_kadr(tmp_path: Path, weights: Path) -> Kadr:
    """One whose source may be edited: a copy of the house, the weights in it linked."""
    root = tmp_path / "tree"
    root.mkdir()
    for name in ("kadr", "functions", "inference", "cli"):
        ignored = shutil.ignore_patterns("__pycache__", "1")
        shutil.copytree(ROOT / name, root / name, symlinks=True, ignore=ignored)
    for folder in (ROOT / "inference/models").glob("*/1"):
        (root / "inference/models" / folder.parent.name / "1").symlink_to(folder)
    return Kadr(tmp_path / "home", weights, root)


@pytest.fixture(scope="session")
def shared_kadr(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Kadr:
    """A home that tests which only read may share."""
    return Kadr(tmp_path_factory.mktemp("shared") / "home", weights)


@pytest.fixture
def started() -> Iterator[Callable[[subprocess.Popen[bytes]], subprocess.Popen[bytes]]]:
    """Registers processes that must not outlive the test."""
    running: list[subprocess.Popen[bytes]] = []

    def register(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        running.append(process)
        return process

    yield register
    for process in running:
        process.kill()
        process.wait()
