"""What an export says beside what it writes: of half a recording nobody should think that it is the whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cli.export import covers, lacks
from tests.unit.exports.runs import source
from tests.unit.functions.report_fixture import MemoryRun, complete, cut_off, joined, part, partial


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (cut_off, ["The file is cut off: it should last 1 min 32 s but holds only 30 s"]),
        (joined, ["Another recording follows in the file after the first"]),
        (partial, ["The file could be read, but "]),
        (part, []),
        (complete, []),
    ],
)
def test_what_is_lost_is_said(run: Callable[[], MemoryRun], says: list[str]) -> None:
    told = lacks(source(run()).found)
    assert len(told) == len(says)
    assert all(line.startswith(start) for line, start in zip(told, says, strict=True))


def test_damage_is_said_beside_what_failed() -> None:
    of_file = source(cut_off()).found["missing"]
    told = lacks(source(partial(), missing=of_file).found)
    assert "a model" in told[0]
    assert told[1].startswith("the file is cut off: its header says 92.0 s")


def test_old_insights_say_nothing_of_it() -> None:
    old = {k: v for k, v in source(complete(), summary=[{"phrases": []}]).found.items() if k != "asked"}
    assert lacks(old) == covers(old) == []
