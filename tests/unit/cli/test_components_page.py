"""docs/components.md, followed to the letter in a copy of the tree."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/components.md"
COPIED = ("kadr", "functions", "cli", "inference", "tests/unit/functions", "pyproject.toml")
LINKED = ("samples/reel.mp4", "inference/models", "tests/data")
BLOCK = re.compile(r"^```(?P<kind>console|\w+ file=(?P<file>\S+))\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Tree:
    """A copy of the project with a home of its own."""

    root: Path
    mypy_cache: Path

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run one command line as a person would, in the tree's root with the environment activated."""
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root),
            "KADR_HOME": str(self.root / "home"),
            "MYPY_CACHE_DIR": str(self.mypy_cache),
        }
        return subprocess.run(
            shlex.split(line), cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )

    def well(self, line: str) -> str:
        done = self.run(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.well("kadr show --json"))
        return shown


@pytest.fixture(scope="module")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


@pytest.fixture
def tree(tmp_path: Path, mypy_cache: Path) -> Tree:
    for name in COPIED:
        _copy(ROOT / name, tmp_path / name)
    for name in LINKED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    return Tree(tmp_path, mypy_cache)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copy(source, target)
    else:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "models"))


def test_what_the_page_says_works(tree: Tree) -> None:
    seen: list[dict[str, Any]] = []
    plans = []
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if block["file"]:
            (tree.root / block["file"]).write_text(block["text"], encoding="utf-8")
            continue
        for line in block["text"].splitlines():
            said = tree.well(line)
            if line == "kadr show":
                seen.append(tree.shown())
            elif line.startswith("kadr plan"):
                plans.append(said)
    first, own, sparse = (run["components"]["colourfulness"] for run in seen)
    assert first["counts"] == own["counts"] == {"times": 66}
    assert sparse["counts"] == {"times": 33}
    assert [c["state"] for c in (first, own, sparse)] == ["succeeded"] * 3
    assert "version: 1 → 2" in plans[0]
    assert computed(seen[1]) == {"colourfulness"}
    assert computed(seen[2]) == {"colourfulness"}, "one frame in two seconds is in the pack that is there"
    values = np.load(own["results"][0]["file"])["colourfulness"]
    assert (values.size, values.min() < 10, values.max() > 33) == (66, True, True)


def computed(run: dict[str, Any]) -> set[str]:
    return {name for name, c in run["components"].items() if c["tasks"]["computed"]}


def test_listeners_and_readers_of_speech_pass_their_tests_and_the_lints_and_run(tree: Tree) -> None:
    tree.well("kadr new-component strength --reads audio --stage text")
    tree.well("kadr new-component pace --reads speech")
    tests = "tests/unit/functions/test_strength.py tests/unit/functions/test_pace.py"
    places = f"functions/strength functions/pace {tests}"
    for line in (f"python -m pytest {tests}", f"ruff check {places}", f"ruff format --check {places}"):
        tree.well(line)
    tree.well("mypy functions/strength functions/pace")
    tree.well(f"kadr analyze {ROOT}/tests/data/wizard.flac --only strength --out out")
    shown = tree.shown()["components"]["strength"]
    assert (shown["state"], shown["stage"], shown["counts"]) == ("succeeded", "text", {"spans": 5})


def test_a_name_that_will_not_do_is_refused_and_nothing_is_written(tree: Tree) -> None:
    refused = {
        "Loud": "is not a name",
        "../x": "is not a name",
        "class": "is not a name",
        "loudness": "is taken: there is functions/loudness",
        "np": "has a meaning of its own",
    }
    before = sorted(tree.root.rglob("*.py"))
    for name, why in refused.items():
        done = tree.run(f"kadr new-component {name}")
        assert (done.returncode, why in done.stderr) == (2, True), done.stderr
    assert sorted(tree.root.rglob("*.py")) == before


def test_components_that_cannot_be_imported_leave_the_old_catalogue(tree: Tree) -> None:
    (tree.root / "functions/loudness/component.py").write_text("import nothing_like_it")
    before = (tree.root / "kadr/catalog.json").read_bytes()
    done = tree.run("kadr new-component pace --reads speech")
    assert done.returncode == 1
    assert "the catalogue is not: ModuleNotFoundError" in done.stderr
    assert (tree.root / "kadr/catalog.json").read_bytes() == before
