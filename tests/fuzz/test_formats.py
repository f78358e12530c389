"""Kadr's own formats: honest input is read, and what a fuzzer once broke a reader with is refused as documented."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.formats import FOUND, TARGETS, tried
from tests.fuzz.mutations import mutant

BROKE = sorted(p for name in TARGETS for p in (FOUND / name).glob("*"))
MUTANTS = 200

pytestmark = pytest.mark.filterwarnings("ignore:Failed to parse:RuntimeWarning")  # of pysubs2, on styles


@pytest.mark.parametrize("name", TARGETS)
def test_honest_input_is_read(name: str) -> None:
    assert sum(tried(name, body) for body in TARGETS[name].seeds()) > 0


@pytest.mark.parametrize("path", BROKE, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_what_once_broke_a_reader_does_so_no_more(path: Path) -> None:
    tried(path.parent.name, path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_is_read_or_refused(name: str) -> None:
    seeds = {str(number): body for number, body in enumerate(TARGETS[name].seeds())}
    first = Random(name).randrange(10**6)
    for number in range(MUTANTS):
        tried(name, mutant(seeds, first, number).data)
