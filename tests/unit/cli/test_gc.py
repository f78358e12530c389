"""What `kadr gc` says: how it understood the ages, what goes, and what only waits for its age."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.gc import Age, span

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Kadr


@pytest.mark.parametrize(
    ("age", "words"),
    [("1m", "1 minute"), ("90s", "1 minute 30 seconds"), ("7d", "7 days"), ("25h", "1 day 1 hour"), ("0s", "0 seconds")],
)  # fmt: skip
def test_an_age_is_said_as_it_was_understood(age: str, words: str) -> None:
    assert span(Age().convert(age, None, None)) == words


def test_what_is_left_is_told_by_its_two_largest_units() -> None:
    assert span(((6 * 24 + 23) * 60 + 59) * 60_000) == "6 days 23 hours"
    assert span((24 * 60 + 59) * 60_000) == "1 day"
    assert span(3) == "1 second"


def test_what_waits_for_its_age_is_said_with_when(kadr: Kadr, home: Path) -> None:
    for name, days in (("old", 8.0), ("young", 6.79), ("younger", 1.0)):
        path = home / "downloads" / name / "video.mp4"
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(1_500_000))
        then = time.time() - days * 86_400
        os.utime(path, (then, then))
    said = kadr("gc", "--dry-run")
    assert said.code == 0
    assert "Intermediates, and fetched videos of no run: older than 7 days." in said.out
    assert "1.5 MB would be given back." in said.out
    assert "Not old enough yet: 2 downloads of no run, 3.0 MB; the first will be in 5 hours" in said.out
    found = json.loads(kadr("gc", "--json").out)
    assert found["removed"]["download"]["count"] == 1
    assert found["waiting"]["download"]["count"] == 2
    assert sorted(p.name for p in (home / "downloads").iterdir() if p.name != "claims") == [
        "young",
        "younger",
    ]
    assert "older than 1 minute" in kadr("gc", "--older-than", "1m").out
