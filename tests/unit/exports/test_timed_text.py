"""Captions as other people's parsers read them: webvtt-py and Chromium for WebVTT, srt and pysubs2 for SubRip."""

from __future__ import annotations

import html
import io
import re
from itertools import pairwise
from typing import Any

import pysubs2
import pytest
import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.srt import JOINER
from kadr.craft.captions import COLUMNS, plain, width
from tests.unit.exports.runs import body, exported, segment, source, spoken
from tests.unit.functions.report_fixture import (
    MemoryRun,
    complete,
    empty,
    hostile,
    part,
    partial,
    sightless,
    silent,
)

NASTY = (
    "-->", "00:00:01.000 --> 00:00:02.000", "00:00:01,000 00:00:02,000", "a\n\nb", "\x00\x1b[31m", "<i>x</i>", "</v>", "&amp;",
    "{\\an8}", "\\N", "NOTE", "STYLE", "12", "مرحبا بالعالم", "\u202eevil", "👩‍👩‍👧‍👦", "\u2028", "\x85",
    "\ud800", "\ufeff", '"', "WEBVTT",
)  # fmt: skip
texts = st.one_of(st.sampled_from(NASTY), st.text(st.characters(), max_size=60))
times = st.integers(0, 400_000_000)


@st.composite
def segments(draw: st.DrawFn) -> list[dict[str, Any]]:
    made, t = [], draw(times)
    for _ in range(draw(st.integers(0, 4))):
        words = []
        for text in draw(st.lists(texts, min_size=1, max_size=12)):
            length = draw(st.integers(0, 900))
            words.append((t, t + length, text))
            t += length + draw(st.sampled_from([0, 30, 2000]))
        made.append(segment(*words, speaker=draw(st.none() | texts)))
    return made


def cues_of(vtt: str) -> list[Any]:
    return list(webvtt.from_buffer(io.StringIO(vtt)).captions)


def lines(cue: Any) -> list[str]:
    """As a player shows them; webvtt-py leaves entities as they are."""
    return html.unescape(cue.text).split("\n")


def one_line(cue: Any) -> str:
    return " ".join(lines(cue))


def ms(time: Any) -> int:
    return int(((time.hours * 60 + time.minutes) * 60 + time.seconds) * 1000 + time.milliseconds)


def test_captions_say_all_words_in_short_lines() -> None:
    run = source(complete())
    cues = cues_of(body("webvtt", run))
    said = " ".join(w["text"] for s in run.found["transcript"] for w in s["words"])
    assert " ".join(map(one_line, cues)) == said
    assert all(len(lines(c)) <= 2 and max(map(width, lines(c))) <= COLUMNS for c in cues)
    assert {c.voice for c in cues} == {"S1", "S2"}


def test_captions_end_where_sentences_end() -> None:
    words = (
        "This one is long enough to take a caption and a half, you see, as it goes on. So does the other one."
    )
    cues = cues_of(body("webvtt", source(complete(), transcript=[spoken(*words.split())])))
    assert list(map(one_line, cues)) == [
        "This one is long enough to take a caption and a half, you see, as it goes on.",
        "So does the other one.",
    ]


def test_lines_break_after_a_clause() -> None:
    words = "It was the best of times, it was the worst."
    (cue,) = cues_of(body("webvtt", source(complete(), transcript=[spoken(*words.split())])))
    assert lines(cue) == ["It was the best of times,", "it was the worst."]


def test_a_caption_stays_as_long_as_it_takes_to_read_but_not_into_the_next() -> None:
    fast = segment((1000, 1200, "Extraordinarily"), (1200, 1400, "uncompromising"))
    cues = cues_of(body("webvtt", source(complete(), transcript=[fast, segment((2000, 2100, "Yes."))])))
    assert [(ms(c.start_time), ms(c.end_time)) for c in cues] == [(1000, 2000), (2000, 2833)]
    (alone,) = cues_of(body("webvtt", source(complete(), transcript=[fast])))
    assert ms(alone.end_time) == 2500


def test_nothing_stays_beyond_the_end_of_the_video() -> None:
    (cue,) = cues_of(body("webvtt", source(complete(), transcript=[segment((91_800, 91_900, "Goodbye."))])))
    assert ms(cue.end_time) == 92_000


def test_wide_characters_fill_two_columns() -> None:
    japanese = spoken(*"今日はいい天気ですね。明日もいい天気だといいですね。そう思いませんか。", space=False)
    cues = cues_of(body("webvtt", source(complete(), transcript=[japanese])))
    assert max(len(line) for c in cues for line in lines(c)) <= COLUMNS // 2
    assert "".join(line for c in cues for line in lines(c)) == "".join(w["text"] for w in japanese["words"])


def test_speakers_are_said_or_not_as_asked() -> None:
    run = source(complete())
    assert "<v" not in body("webvtt", run, speakers=False)
    assert "S1:" not in body("srt", run)
    named = [
        c.content
        for c in srt.parse(body("srt", run, speakers=True))
        if "S1:" in c.content or "S2:" in c.content
    ]
    turns = [s["speaker"] for s in run.found["transcript"]]
    assert len(named) == 1 + sum(a != b for a, b in pairwise(turns))
    assert all(width(line) <= COLUMNS for c in named for line in c.splitlines())


def test_subrip_says_the_same_as_webvtt() -> None:
    run = source(complete())
    ours = [(ms(c.start_time), ms(c.end_time), c.text) for c in cues_of(body("webvtt", run))]
    for theirs in (body("srt", run), body("webvtt", run, speakers=False)):
        read = pysubs2.SSAFile.from_string(theirs)
        assert [(e.start, e.end, e.plaintext) for e in read] == ours


def test_pysubs2_writes_what_it_read() -> None:
    read = pysubs2.SSAFile.from_string(body("srt"))
    again = pysubs2.SSAFile.from_string(read.to_string("srt"))
    assert [(e.start, e.end, e.text) for e in again] == [(e.start, e.end, e.text) for e in read]


def test_text_on_screen_and_the_files_own_captions_are_tracks() -> None:
    run = source(complete())
    read = [(ms(c.start_time), ms(c.end_time), one_line(c)) for c in cues_of(body("webvtt", run, "text"))]
    assert read == [(t["start_ms"], t["end_ms"], t["text"]) for t in run.found["texts"]]
    own = [{"start_ms": 1000, "end_ms": 2500, "text": "- Who?\n\n- Me. --> <b>", "source": "embedded:2"}]
    (cue,) = cues_of(body("webvtt", source(complete(), captions=own), "captions"))
    assert (ms(cue.start_time), lines(cue)) == (1000, ["- Who?", "- Me. --> <b>"])


def test_chapters_are_the_files_own_or_else_the_scenes() -> None:
    own = exported("webvtt", None, "chapters")
    assert [(c.text, ms(c.end_time)) for c in cues_of(own.files[".chapters.vtt"].decode())] == [
        ("The quay", 46_000)
    ]
    assert own.notes == ("webvtt chapters: chapters are the file's own",)
    run = source(complete())
    run.found["video"]["chapters"].clear()
    found = [(ms(c.start_time), ms(c.end_time), c.text) for c in cues_of(body("webvtt", run, "chapters"))]
    assert found == [
        (s["start_ms"], s["end_ms"], f"Scene {i + 1}") for i, s in enumerate(run.found["scenes"])
    ]


def test_several_tracks_are_several_files() -> None:
    made = exported("srt", None, "chapters", "speech")
    assert (list(made.files), made.alone) == ([".speech.srt", ".chapters.srt"], None)


def unasked() -> MemoryRun:
    """As of ``--only speech,shots``."""
    run = part()
    run.manifest["components"].pop("captions")
    run.artifacts.pop("captions")
    return run


@pytest.mark.parametrize(
    ("run", "track", "says"),
    [
        (silent, "speech", "no speech was found: "),
        (sightless, "text", "no text was read on screen: "),
        (partial, "text", "no text was read on screen: The process that ran the component ended"),
        (empty, "chapters", "no scenes were found"),
        (complete, "captions", "the file has no captions of its own"),
        (unasked, "captions", "the file's own captions were not read: the run was not asked for captions"),
    ],
)
def test_what_is_not_there_is_an_empty_file_that_says_why(run: Any, track: str, says: str) -> None:
    made = exported("webvtt", source(run()), track)
    assert cues_of(made.files[f".{track}.vtt"].decode()) == []
    assert made.notes[0].startswith(f"webvtt {track}: {says}")
    assert body("srt", source(run()), track) == ""


def test_texts_that_try_to_be_markup_stay_texts() -> None:
    run = source(hostile())
    said = [one_line(c) for c in cues_of(body("webvtt", run))]
    assert "a --> b" in said
    assert any('</script><img src=x onerror="window.hacked=1">&amp;' in text for text in said)


WHOLE = source(complete())


def with_speech(transcript: list[dict[str, Any]]) -> Any:
    return type(WHOLE)({**WHOLE.found, "transcript": transcript}, WHOLE.artifact, WHOLE.file, WHOLE.stem)


def letters(text: str) -> str:
    """Without what line breaks may change."""
    return re.sub(r"\s", "", text.replace(JOINER, ""))


def said_in(transcript: list[dict[str, Any]]) -> str:
    words = (w for s in transcript for w in s["words"])
    return letters("".join(plain(w["text"]) for w in words))


@settings(max_examples=150)
@given(segments())
def test_no_text_breaks_webvtt(transcript: list[dict[str, Any]]) -> None:
    vtt = body("webvtt", with_speech(transcript))
    blocks = vtt.split("\n\n")[2:]
    cues = cues_of(vtt)
    assert len(cues) == len(blocks)
    payload = "".join(re.sub(r"^<v [^>]*>", "", b.split("\n", 1)[1]) for b in blocks)
    assert letters(html.unescape(payload.rstrip("\n"))) == said_in(transcript)
    for cue in cues:
        assert 1 <= len(lines(cue)) <= 2
        assert ms(cue.start_time) < ms(cue.end_time)


@settings(max_examples=150)
@given(segments())
def test_no_text_breaks_subrip(transcript: list[dict[str, Any]]) -> None:
    text = body("srt", with_speech(transcript))
    cues = list(srt.parse(text))
    assert letters("".join(c.content for c in cues)) == said_in(transcript)
    assert [c.index for c in cues] == list(range(1, len(cues) + 1))
    assert len(pysubs2.SSAFile.from_string(text, format_="srt")) == len(cues)
