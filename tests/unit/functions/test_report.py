"""The report's files: insights.json, its schema, captions.vtt, and what report.html carries."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from html import unescape
from importlib import resources
from typing import Any

import jsonschema
import pytest
import webvtt

from functions.report.build import build
from functions.report.component import ReportParams, report
from functions.report.insights import Insights, schema_bytes
from functions.report.page_data import thinned
from functions.report.sources import Sources
from functions.report.vtt import COLUMNS, captions_vtt, cues_of, width
from functions.report.words import clock, span_length
from kadr.contracts.artifact import Artifact, ArtifactSpec
from kadr.contracts.component import REGISTRY
from tests.unit.functions.report_artifacts import captions, shots, speech
from tests.unit.functions.report_fixture import (
    HOSTILE,
    MemoryRun,
    complete,
    digest,
    empty,
    hostile,
    long,
    partial,
    sightless,
    silent,
)

RUNS = {f.__name__: f for f in (complete, partial, silent, sightless, empty, hostile)}


def insights(run: MemoryRun) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(report(run, ReportParams())["insights.json"])
    return made


def vtt_of(run: MemoryRun) -> webvtt.WebVTT:
    return webvtt.from_buffer(io.StringIO(report(run, ReportParams())["captions.vtt"].decode()))


def test_the_committed_schema_is_what_the_models_say() -> None:
    committed = resources.files("functions.report").joinpath("insights.schema.json").read_bytes()
    assert committed == schema_bytes(), "run: python -m functions.report.insights"


@pytest.mark.parametrize("name", RUNS)
def test_insights_follow_their_schema(name: str) -> None:
    files = report(RUNS[name](), ReportParams())
    validator = jsonschema.Draft202012Validator(json.loads(files["insights.schema.json"]))
    validator.check_schema(validator.schema)
    validator.validate(json.loads(files["insights.json"]))


def evidences(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        own = [value["evidence"]] if value.get("evidence") else []
        return own + [e for v in value.values() for e in evidences(v)]
    return [e for v in value for e in evidences(v)] if isinstance(value, list) else []


def test_every_item_points_at_the_result_it_came_from() -> None:
    found = insights(complete())
    lists = (
        "shots",
        "scenes",
        "key_frames",
        "transcript",
        "turns",
        "sounds",
        "texts",
        "objects",
        "faces",
        "tags",
    )
    for name in (*lists, "quality", "passages", "keywords"):
        assert found[name], name
        assert all(item["evidence"] for item in found[name]), name
    for evidence in evidences(found):
        assert evidence["key"] == digest("key" + evidence["component"])
        assert evidence["digest"] == digest("result" + evidence["component"])


@pytest.mark.parametrize("name", RUNS)
def test_every_sentence_of_the_summary_points_somewhere(name: str) -> None:
    for sentence in insights(RUNS[name]())["summary"]:
        assert any(p["evidence"] or p["target"] for p in sentence["phrases"]), sentence


def test_the_summary_says_what_was_found() -> None:
    text = " ".join(s.text for s in build(Sources(complete())).summary)
    assert "1 min 32 s of video at 1280 × 720 with sound." in text
    assert "25 shots in 7 scenes" in text
    assert "2 speakers talk in English" in text
    assert "“It was the best of times" in text
    assert "harbour lights, lighthouse keeper and age of wisdom" in text
    assert "The sound averages −19.4 LUFS" in text


def test_words_keep_their_times_and_speakers() -> None:
    segment = insights(complete())["transcript"][0]
    assert segment["text"] == "It was the best of times, it was the worst of times."
    assert [w["text"] for w in segment["words"][:3]] == ["It", "was", "the"]
    assert segment["words"][0]["start_ms"] == segment["start_ms"] == 1200
    assert segment["speaker"] == segment["words"][0]["speaker"] == "S1"


def test_languages_that_join_their_words_are_not_spaced() -> None:
    run = complete(10_000)
    said = speech(10_000, ["今日 は いい 天気"])
    joined = ["今日はいい天気"] * len(said.payload["segments"])
    run.artifacts["speech"] = Artifact(said.arrays, {**said.payload, "segments": joined})
    del run.artifacts["speakers"]
    assert vtt_of(run)[0].text == "今日はいい天気"


def test_a_partial_run_says_what_is_missing_why_and_what_to_do() -> None:
    missing = {tuple(m["components"]): m for m in insights(partial())["missing"]}
    assert missing[("speakers",)]["why"] == "failed"
    assert "kadr models pull" in missing[("speakers",)]["what_to_do"]
    assert missing[("ocr",)]["error_code"] == "WorkerDied"
    assert missing[("passages",)]["reason"] == "It reads ocr, which failed."
    assert missing[("objects",)]["gaps"] == [[23_000, 46_000]]


def test_a_run_over_a_part_of_the_video_says_so() -> None:
    run = complete()
    params = {"from_ms": 10_000, "to_ms": 60_000}
    run.manifest = {**run.manifest, "profile": {"components": {"probe": {"params": params}}}}
    (entry,) = insights(run)["missing"]
    assert (entry["why"], entry["gaps"]) == ("range", [[0, 10_000], [60_000, 92_000]])
    assert entry["reason"] == "Only 0:10–1:00 was asked for."


@pytest.mark.parametrize("name", complete().artifacts)
def test_the_made_up_results_are_as_the_components_declare_them(name: str) -> None:
    pytest.importorskip(f"functions.{name}.component", reason=f"component {name} is not written yet")
    makes = REGISTRY[name].makes
    spec = (
        makes if isinstance(makes, ArtifactSpec) else makes[name].spec if isinstance(makes, Mapping) else None
    )
    assert spec is not None
    made = complete(20_000).artifacts[name]
    assert set(made.arrays) <= set(spec.arrays)
    used = {n: s for n, s in spec.arrays.items() if n in made.arrays}
    spec.model_copy(update={"arrays": used}).checked(made)


def test_a_silent_video_is_no_failure() -> None:
    found = insights(silent())
    assert [m["why"] for m in found["missing"]] == ["no_stream"]
    assert found["transcript"] == found["sounds"] == []
    assert found["loudness"] is None
    assert "without sound" in build(Sources(silent())).summary[0].text
    assert not any("Not everything" in s.text for s in build(Sources(silent())).summary)


def test_a_run_that_made_nothing_still_gives_every_file() -> None:
    files = report(empty(), ReportParams())
    assert json.loads(files["insights.json"])["status"] == "cancelled"
    assert files["captions.vtt"].startswith(b"WEBVTT")
    assert b"</html>" in files["report.html"]


@pytest.mark.parametrize("name", RUNS)
def test_captions_are_webvtt_of_two_short_lines(name: str) -> None:
    last = "00:00:00.000"
    for cue in vtt_of(RUNS[name]()).captions:
        lines = unescape(cue.text).split("\n")
        assert 1 <= len(lines) <= 2
        assert all(width(line) <= COLUMNS for line in lines), lines
        assert last <= cue.start < cue.end
        last = cue.end


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


def test_texts_cannot_leave_the_pages_data_block() -> None:
    html = report(hostile(), ReportParams())["report.html"].decode()
    assert html.count("</script>") == 2
    assert "<img src=x" not in html
    assert "\u2028" not in html
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert block is not None
    assert json.loads(block[1])["insights"]["video"]["title"] == f"{HOSTILE}.mp4"


def test_the_page_names_nothing_outside_itself() -> None:
    html = report(complete(), ReportParams())["report.html"].decode()
    assert "default-src 'none'" in html
    assert "unsafe" not in html.split("<style>")[0]
    head, _, rest = html.partition('id="data">')
    outside = head + rest.partition("</script>")[2]
    assert set(re.findall(r"https?://[^'\"\s]+", outside)) <= {"http://www.w3.org/2000/svg"}


def test_the_same_run_gives_the_same_bytes() -> None:
    assert report(complete(), ReportParams()) == report(complete(), ReportParams())


def pictures_in(html: bytes) -> int:
    block = re.search(rb'id="data">(.*?)</script>', html, re.S)
    assert block is not None
    data = json.loads(block[1])
    return sum(len(k) for k in data["keyframes"] if k) + sum(len(p) for _, p in data["story"])


def test_pictures_stay_within_their_limit() -> None:
    run = MemoryRun(complete().manifest, {"shots": shots(600_000)})
    assert pictures_in(report(run, ReportParams())["report.html"]) > 300_000
    small = report(run, ReportParams(picture_bytes=300_000))["report.html"]
    assert 200_000 < pictures_in(small) <= 300_000
    assert pictures_in(report(run, ReportParams(picture_bytes=0))["report.html"]) == 0


def test_thinning_keeps_pictures_evenly() -> None:
    assert thinned([10] * 9, 90) == set(range(9))
    assert thinned([10] * 9, 50) == {0, 2, 4, 6, 8}
    assert thinned([10] * 9, 5) == set() == thinned([], 5)


def test_three_hours_fit_into_one_page() -> None:
    files = report(long(), ReportParams())
    assert len(files["report.html"]) < 25_000_000
    assert len(json.loads(files["insights.json"])["shots"]) > 1700


def test_unknown_fields_are_refused_by_the_model_but_readers_are_told_to_ignore_them() -> None:
    with pytest.raises(ValueError, match="extra"):
        Insights.model_validate({**insights(empty()), "later": 1})


@pytest.mark.parametrize(
    ("ms", "short", "said"),
    [
        (0, "0:00", "0 s"),
        (800, "0:00", "0.8 s"),
        (9_960, "0:09", "10 s"),
        (65_000, "1:05", "1 min 5 s"),
        (3_600_000, "1:00:00", "1 h"),
        (8_072_000, "2:14:32", "2 h 14 min"),
    ],
)
def test_times_read_as_people_say_them(ms: int, short: str, said: str) -> None:
    assert clock(ms) == short
    assert span_length(ms) == said
