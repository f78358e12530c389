"""What the report made, handed on as it is; and what the formats' names mean."""

from __future__ import annotations

import json

import jsonschema
import pytest

from cli.export import covers, stem
from tests.unit.exports.runs import exported, source
from tests.unit.functions.report_fixture import complete, part


def test_insights_come_byte_for_byte_with_the_schema_that_they_follow() -> None:
    run = source(complete())
    made = exported("json", run)
    assert made.alone == ".insights.json"
    assert made.files[made.alone] == run.file("insights.json")
    schema = json.loads(made.files[".insights.schema.json"])
    jsonschema.Draft202012Validator(schema).validate(json.loads(made.files[made.alone]))


def test_the_page_is_the_reports_own() -> None:
    run = source(complete())
    made = exported("html", run)
    assert made.files == {".html": run.file("report.html")}
    assert "elsewhere it shows the stored pictures" in made.notes[0]


def test_a_run_about_less_than_all_says_what_it_covers() -> None:
    assert covers(source(complete()).found) == []
    assert covers(source(part(30_000, 65_000)).found) == [
        "the run covers only 00:30–01:05 of 01:32 and looked only for shots, speech, the file's own captions"
    ]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("talk.mp4", "talk"),
        ("my talk (1).final.mov", "my talk (1).final"),
        ("https://example.org/a%20b/talk.mp4?x=1", "talk"),
        ("../../etc/passwd", "passwd"),
        ("..", "video"),
        (".mp4", "mp4"),
        ("a\nb\x1b[31m\u202e.mp4", "a_b__31m_"),
        ("Привет мир.mkv", "Привет мир"),
        ("я" * 200 + ".mp4", "я" * 60),
        ('"quoted" <b>.mp4', "_quoted_ _b_"),
    ],
)
def test_files_have_safe_names(name: str, safe: str) -> None:
    assert stem(name) == safe
