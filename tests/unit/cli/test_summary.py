"""The last lines of an analysis say what was found, in numbers and in words that fit them."""

from __future__ import annotations

from typing import Any

import pytest

from cli.summary import found, in_words, sound
from cli.tables import print_table
from cli.text import about, number
from cli.tracker import exactly


def other(component: str, **fields: Any) -> dict[str, Any]:
    return {"component": component, "items_in_all": 0, "series": [], "values": {}, **fields}


def test_everything_that_was_found_is_counted() -> None:
    insights = {
        "transcript": [{"words": ["a", "b"]}, {"words": ["c"]}],
        **{kind: [{}, {}] for kind in ("captions", "sounds", "tags", "shots", "keywords", "quality")},
        "speakers": [{}],
        "faces": [],
        "moderation": {"peaks": [], "spans": [{}]},
        "others": [
            other("birds", items_in_all=7),
            other("colourfulness", series=[{"points": 30}]),
            other("mood", values={"calm": True}),
            other("nothing"),
        ],
    }
    assert in_words(found(insights), True) == (
        "3 words, 2 captions, 2 shots, 1 speaker, 2 sounds, 2 tags, 2 keywords, 2 quality spans, 1 moderation span, "
        "7 × birds, 30 × colourfulness, 1 × mood"
    )


def test_insights_of_older_versions_are_counted_too() -> None:
    assert found({"shots": [{}], "moderation": None}) == {"shots": 1}


def test_nothing_found_is_said() -> None:
    assert in_words({}, False) == "nothing"
    assert "the report has what there is" in in_words({}, True)


@pytest.mark.parametrize(("n", "text"), [(0, "0 results"), (1, "1 result"), (2, "2 results")])
def test_one_is_not_several(n: int, text: str) -> None:
    assert number(n, "result") == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(8500, "00:08.5"), (8000, "00:08"), (65_760, "01:05.76"), (3_600_050, "1:00:00.05"), (0, "00:00")],
)
def test_fractions_of_a_second_are_not_cut_off(ms: int, text: str) -> None:
    assert exactly(ms) == text


def test_a_table_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("629384c0", "a very long name of a video " * 4 + ".mp4", "2026-11-21 15:06", "probe (failed)")]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    print_table(("run", "video", "asked", "missing"), rows, whole=("run", "asked"))
    lines = capsys.readouterr().out.splitlines()[1:]  # the first is dim, by escapes
    assert max(map(len, lines)) <= 60
    assert "629384c0" in lines[0]
    assert "2026-11-21 15:06" in lines[0]


def test_an_error_names_its_video_once() -> None:
    assert about("http://x/v.mp4", "http://x/v.mp4: gone") == "http://x/v.mp4: gone"
    assert about("v.mp4", "cannot read it") == "v.mp4: cannot read it"


def test_of_several_sounds_it_is_said_which_was_heard() -> None:
    one, other = (
        {"index": 1, "language": "eng", "heard": True},
        {"index": 3, "language": None, "heard": False},
    )
    said = sound({"video": {"sound": [one, other]}})
    assert said == "stream 1 (eng) was heard; --audio-stream takes another of 3 (no language)"
    assert sound({"video": {"sound": [one]}}) == ""
    assert sound({"video": {"sound": [other, other]}}) == ""  # nothing was listened to
