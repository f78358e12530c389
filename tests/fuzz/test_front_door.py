"""Damaged files of every container through the real worker: each is accepted or refused with a reason. `make fuzz` tries thousands."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.front_door import ACCEPTED, FAILURE, Door, scratch
from tests.fuzz.mutations import mutant
from tests.fuzz.seeds import all_made

CORPUS = Path(__file__).parent / "corpus" / "media"
MUTANTS = 100
SEED = 20251121

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the worker is confined on Linux only")


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with tempfile.TemporaryDirectory(dir=scratch(), prefix="kadr-fuzz-") as folder:
        one = Door(Path(folder))
        yield one
        one.close()


@pytest.fixture(scope="module")
def seeds() -> dict[str, bytes]:
    return all_made()


def test_whole_files_of_every_container_are_read(door: Door, seeds: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in seeds.items():
        path = tmp_path / name
        path.write_bytes(data)
        outcome = door.enter(path)
        assert outcome.verdict == ACCEPTED, f"{name}: {outcome.why}"


def test_damaged_files_are_read_or_refused_with_a_reason(
    door: Door, seeds: dict[str, bytes], tmp_path: Path
) -> None:
    path, verdicts = tmp_path / "file.bin", set()
    for number in range(MUTANTS):
        one = mutant(seeds, SEED, number)
        path.write_bytes(one.data)
        outcome = door.enter(path)
        verdicts.add(outcome.verdict)
        assert outcome.verdict != FAILURE, f"mutant {number} of {one.seed} by {one.done}: {outcome.why}"
    assert len(verdicts) > 1, "damage that nobody notices tests nothing"


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*")), ids=lambda path: path.name)
def test_what_once_broke_something_does_so_no_more(door: Door, path: Path) -> None:
    outcome = door.enter(path)
    assert outcome.verdict != FAILURE, outcome.why
