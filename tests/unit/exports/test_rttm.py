"""Speakers' turns as pyannote's tools read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyannote.database.util import load_rttm

from exports.rttm import field
from tests.unit.exports.runs import body, exported, source
from tests.unit.functions.report_fixture import complete, empty, partial, silent


def read(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "turns.rttm"
    path.write_text(text)
    found: dict[str, Any] = load_rttm(path)  # type: ignore[no-untyped-call]
    return found


def turn(start_ms: int, end_ms: int, speaker: str = "S1") -> dict[str, Any]:
    return {"start_ms": start_ms, "end_ms": end_ms, "speaker": speaker}


def test_turns_keep_their_milliseconds(tmp_path: Path) -> None:
    run = source(complete())
    annotation = read(tmp_path, body("rttm", run))["harbour"]
    found = [
        (round(s.start * 1000), round(s.end * 1000), who)
        for s, _, who in annotation.itertracks(yield_label=True)
    ]
    assert found == [(t["start_ms"], t["end_ms"], t["speaker"]) for t in run.found["turns"]]


def test_times_are_decimal_to_the_last_millisecond(tmp_path: Path) -> None:
    text = body("rttm", source(complete(), turns=[turn(35_999_999, 36_000_006)]))
    assert text == "SPEAKER harbour 1 35999.999 0.007 <NA> <NA> S1 <NA> <NA>\n"


def test_names_with_spaces_are_one_field(tmp_path: Path) -> None:
    run = source(complete(), "my  talk \u2028«один»", turns=[turn(0, 10, 'Ann "x" ;')])
    annotation = read(tmp_path, body("rttm", run))
    assert list(annotation) == ["my%20%20talk%20%E2%80%A8%C2%ABодин%C2%BB"]
    assert next(iter(annotation.values())).labels() == ["Ann%20%22x%22%20%3B"]


@given(st.text(st.characters()), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_field_is_one_word_and_names_stay_apart(one: str, other: str) -> None:
    assert len(field(one).split()) == 1
    if one != other and one and other and one.isprintable():
        assert field(one) != field(other)


def test_a_turn_without_length_is_left_out(tmp_path: Path) -> None:
    assert body("rttm", source(complete(), turns=[turn(5, 5), turn(7, 9)])).count("SPEAKER") == 1


@pytest.mark.parametrize(("run", "why"), [(silent, "sound"), (partial, "resemblyzer.onnx"), (empty, "")])
def test_nobody_speaking_is_an_empty_file_that_says_why(tmp_path: Path, run: Any, why: str) -> None:
    made = exported("rttm", source(run()))
    assert made.files == {".rttm": b""}
    assert made.notes[0].startswith("rttm: nobody was found speaking")
    assert why in made.notes[0]
