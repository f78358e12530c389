"""captions.vtt: every word, who says it, and nothing that a text could make of itself."""

from __future__ import annotations

import io
import re

import webvtt

from functions.report.build import build
from functions.report.component import ReportParams, report
from functions.report.sources import Sources
from functions.report.vtt import captions_vtt, cues_of
from tests.unit.functions.report_artifacts import captions
from tests.unit.functions.report_fixture import complete, hostile, silent
from tests.unit.functions.test_report import vtt_of


def test_captions_say_every_word_and_who_says_it() -> None:
    run = complete()
    cues = vtt_of(run).captions
    said = " ".join(cue.text.replace("\n", " ") for cue in cues)
    assert said == " ".join(run.artifacts["speech"].payload["segments"])
    assert cues[0].voice == "S1"
    assert cues[0].start == "00:00:01.200"


def test_captions_escape_what_looks_like_markup() -> None:
    text = report(hostile(), ReportParams())["captions.vtt"].decode()
    bodies = [b.split("\n", 1)[1] for b in text.split("\n\n")[2:]]
    for body in bodies:
        assert re.fullmatch(r"(<v [^<>\n]*>)?[^<>]*", body.rstrip("\n")), body
    assert "a --&gt; b" in text


def test_the_files_own_captions_serve_where_nothing_was_heard() -> None:
    run = silent()
    run.artifacts["captions"] = captions([(500, 2500, "First line\nsecond line"), (3000, 3000, "no time")])
    found = build(Sources(run))
    text = captions_vtt(cues_of(found.transcript, found.captions), None)
    assert [c.text for c in webvtt.from_buffer(io.StringIO(text)).captions] == ["First line\nsecond line"]
