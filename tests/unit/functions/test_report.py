"""The report's files: insights.json, its schema, captions.vtt, and what report.html carries."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from html import unescape
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import webvtt

from functions.report.about import ComponentUsed, Missing
from functions.report.build import build
from functions.report.component import ReportParams, report
from functions.report.insights import Insights, schema_bytes
from functions.report.page_data import thinned
from functions.report.sources import Sources
from functions.report.words import clock, span_length
from kadr.contracts.artifact import Artifact, ArtifactSpec
from kadr.contracts.component import REGISTRY
from kadr.craft.captions import COLUMNS, width
from tests.unit.functions.report_artifacts import f32, i64, probe, shots, speech
from tests.unit.functions.report_fixture import (
    HOSTILE,
    STAGES,
    MemoryRun,
    added,
    complete,
    cut_off,
    digest,
    empty,
    hostile,
    joined,
    long,
    manifest,
    part,
    partial,
    sightless,
    silent,
    summarised,
    unreadable,
)

WHOLE = (complete, partial, silent, sightless, empty, hostile)
RUNS = {f.__name__: f for f in (*WHOLE, cut_off, part, added)} | {
    "unreadable": lambda: unreadable("It is text")
}


def insights(run: MemoryRun) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(report(run, ReportParams())["insights.json"])
    return made


def vtt_of(run: MemoryRun) -> webvtt.WebVTT:
    return webvtt.from_buffer(io.StringIO(report(run, ReportParams())["captions.vtt"].decode()))


def test_the_committed_schema_is_what_the_models_say() -> None:
    committed = resources.files("functions.report").joinpath("insights.schema.json").read_bytes()
    assert committed == schema_bytes(), "run: python -m functions.report.insights"


@pytest.mark.parametrize("values", [Missing.model_fields["why"], ComponentUsed.model_fields["state"]])
def test_every_word_for_what_is_missing_is_explained(values: Any) -> None:
    page = (Path(__file__).parents[3] / "docs/insights.md").read_text()
    told = page.partition("An empty list means")[2].partition("## ")[0]
    assert [word for word in get_args(values.annotation) if f"`{word}`" not in told] == []


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
    assert re.search(r"2 speakers talk in English for \d+ s without pauses, beginning at 0:01", text)
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


def first_words(run: MemoryRun) -> str:
    """The sentence that a person reads first."""
    return build(Sources(run)).summary[0].text


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (
            "This is text, not a video: check that the right file was given",
            "This is text, not a video, so nothing could be analysed. Check that the right file was given.",
        ),
        (
            "The MP4 index (moov atom) is missing or damaged: the file was cut off. Copy or download it again",
            "The MP4 index is missing or damaged, so nothing could be analysed. The file was cut off. "
            "Copy or download it again.",
        ),
        (
            "the part asked for begins at 90 s, but the video is only 66 s long: choose an earlier --from",
            "The part asked for begins at 90 s, but the video is only 66 s long, so nothing could be analysed. "
            "Choose an earlier --from.",
        ),
        (
            "The file is empty (0 bytes)",
            "The file is empty, so nothing could be analysed. Check that the file plays from beginning to end; "
            "a copy made anew may help.",
        ),
    ],
)
def test_a_failed_run_first_says_what_is_wrong_with_the_file_and_what_to_do(message: str, says: str) -> None:
    assert first_words(unreadable(message)) == says


def test_a_partial_run_first_says_what_it_lacks_in_words_of_the_video() -> None:
    assert first_words(partial()).startswith(
        "The file could be read, but the weights of a model are not on this machine and a process of the "
        "analysis ended before it was done, so the report lacks speakers, on-screen text, key phrases and "
        "objects at 0:23–0:46. Run `kadr models pull`"
    )


def test_an_error_of_a_component_names_what_is_lost_and_not_the_error() -> None:
    text = first_words(added(lost=True))
    assert text.startswith(
        "The file could be read, but a step of the analysis failed, so the report lacks “flashes”."
    )
    assert "division" not in text
    assert insights(added(lost=True))["missing"][0]["reason"] == "division by zero"


def test_a_file_that_is_cut_off_is_said_to_be_so() -> None:
    assert first_words(cut_off()) == (
        "The file is cut off: it should last 1 min 32 s but holds only 30 s, so the report covers only that. "
        "Copy or download it again."
    )

    found = insights(cut_off())
    assert found["video"]["damage"][0].items() >= {"expected_ms": 92_000, "found_ms": 30_000}.items()
    assert found["status"] == "complete"


def test_what_to_do_about_joined_recordings_is_the_same_everywhere() -> None:
    run = joined()
    advice = "Cut the file at byte 11560000, where the next recording begins, and give each by itself."
    assert first_words(run).endswith(advice)
    assert [m["what_to_do"] for m in insights(run)["missing"]] == [advice]
    assert insights(run)["video"]["size_bytes"] == 11_560_000 + 5_000_000


def test_a_file_that_could_not_be_read_to_its_end_says_how_far() -> None:
    run = cut_off()
    stopped = {"kind": "stopped", "found_ms": 30_000, "error": "Invalid data"}
    run.artifacts["probe"] = Artifact({}, {**run.artifacts["probe"].payload, "damage": [stopped]})
    assert first_words(run).startswith(
        "The file could be read only up to 0:30, so the report covers only that."
    )


@pytest.mark.parametrize(
    ("component", "message", "says"),
    [
        (
            "speech",
            "speech: the model knows English only, not 'ru': leave the language out",
            "The model knows English only, not 'ru', so the report lacks speech. Leave the language out.",
        ),
        (
            "captions",
            "captions.sidecar: it is neither SRT nor WebVTT.",
            "It is neither SRT nor WebVTT, so the report lacks the file's own captions. Change what was asked for: "
            "the same question will fail again.",
        ),
    ],
)
def test_what_failed_is_not_named_as_its_own_cause(component: str, message: str, says: str) -> None:
    run = complete()
    del run.artifacts[component]
    failed = summarised(component, state="failed", error={"code": "InvalidProfile", "message": message})
    run.manifest = manifest({n: failed if n == component else summarised(n) for n in STAGES}, "partial")
    assert first_words(run) == says


def test_a_cancelled_run_says_that_it_was_stopped() -> None:
    assert first_words(empty()).startswith(
        "The run was stopped before it was done, so nothing could be analysed."
    )


def test_no_tag_lasts_longer_than_the_video() -> None:
    found = insights(complete(30_400))
    assert (
        max(end for tag in found["tags"] for _, end in tag["spans"])
        == found["video"]["duration_ms"]
        == 30_400
    )
    assert all(tag["end_ms"] <= 30_400 for tag in found["tags"])


def test_a_run_over_a_part_of_the_video_says_so_and_speaks_of_that_part() -> None:
    found = insights(part())
    asked = found["asked"]
    assert (asked["start_ms"], asked["end_ms"], asked["whole"]) == (20_000, 50_000, False)
    assert asked["looked_for"] == ["shots", "speech", "the file's own captions"]
    assert "faces" in asked["left_out"]
    assert first_words(part()) == (
        "This report covers only 0:20–0:50 of 1:32, and only shots, speech and the file's own captions: "
        "nothing else was asked for."
    )
    assert (
        build(Sources(part())).summary[1].text == "30 s out of 1 min 32 s of video at 1280 × 720 with sound."
    )
    assert [c["text"] for c in found["captions"]] == ["in time"]
    (entry,) = found["missing"]
    assert (entry["why"], entry["gaps"]) == ("range", [[0, 20_000], [50_000, 92_000]])
    assert entry["reason"] == "Only 0:20–0:50 was asked for."


def test_borders_of_a_part_are_said_as_exactly_as_they_were_named() -> None:
    named = part(2_000, 8_500)
    assert first_words(named).startswith("This report covers only 0:02–0:08.5 of 1:32, and only shots")
    assert insights(named)["missing"][0]["reason"] == "Only 0:02–0:08.5 was asked for."


def test_a_profile_that_leaves_something_out_is_no_part() -> None:
    run = complete()
    run.manifest = manifest({n: summarised(n) for n in STAGES if n != "faces"})
    found = insights(run)
    assert found["asked"]["left_out"] == ["faces"]
    assert {s["kind"] for s in found["summary"]} == {"found"}


@pytest.mark.parametrize(
    ("video", "audio", "left_out"),
    [(True, True, ["speech", "faces"]), (False, True, ["speech"]), (True, False, ["faces"])],
)
def test_what_the_file_cannot_have_was_not_left_out(video: bool, audio: bool, left_out: list[str]) -> None:
    run = complete()
    run.artifacts["probe"] = probe(92_000, video=video, audio=audio)
    run.manifest = manifest({n: summarised(n) for n in STAGES if n not in ("faces", "speech")})
    assert insights(run)["asked"]["left_out"] == left_out


def test_of_a_file_that_cannot_be_read_nothing_was_left_out_and_nothing_analysed() -> None:
    """Passages have nothing to read, and do that well."""
    run = unreadable("This is text, not a video: check that the right file was given")
    failed = {name: summarised(name, state="blocked") for name in STAGES if name not in ("probe", "faces")}
    error = {"code": "VideoUnreadable", "message": "This is text, not a video: check the file"}
    probed = {"probe": summarised("probe", state="failed", error=error)}
    run.manifest = manifest({**failed, **probed, "passages": summarised("passages")}, "failed")
    assert insights(run)["asked"]["left_out"] == []
    assert first_words(run) == "This is text, not a video, so nothing could be analysed. Check the file."


def test_what_an_added_component_found_is_told_by_its_shape() -> None:
    brightness, flashes = insights(added())["others"]
    assert brightness["series"] == [
        {"name": "brightness", "points": 92, "least": 0, "mean": 29.6739, "most": 60}
    ]
    items = [(i["start_ms"], i["end_ms"], i["text"], i["facts"]) for i in flashes["items"]]
    assert items == [
        (10_000, 12_000, "café light", {"strength": 0.25}),
        (30_000, 60_000, "Middle part", {"mood": "tense"}),
        (40_000, 41_000, "strobe", {"strength": 0.5}),
        (70_000, 70_500, "café light", {"strength": 0.75}),
    ]
    assert flashes["values"] == {"threshold": 0.25, "colours": ["red", "white"]}
    assert flashes["arrays"] == {"embedding": "float16 [3, 8]"}
    assert flashes["evidence"]["digest"] == digest("resultflashes")


@pytest.mark.parametrize(
    ("artifact", "items", "series", "values"),
    [
        (Artifact({"t_ms": i64([5, 9])}, {"words": ["a", "b"]}), [(5, 5, "a"), (9, 9, "b")], [], {}),
        (Artifact({"motion_ms": i64([0, 9]), "motion": f32([1, 2])}), [], ["motion"], {}),
        (Artifact({}, {"silent_spans": [[0, 5], [7, 9]]}), [(0, 5, "silent spans"), (7, 9, "silent spans")], [], {}),
        (Artifact({}, {"size": [1280, 720], "line": [[1, 2]]}), [], [], {"size": [1280, 720], "line": [[1, 2]]}),
        (Artifact({"start_ms": i64([]), "rms": f32([])}), [], [], {}),
        (Artifact({}, {"blob": "x" * 9000}), [], [], {"blob": "a str, 9,002 characters as JSON: see the result"}),
    ],
)  # fmt: skip
def test_shapes_of_results_that_nobody_foresaw(
    artifact: Artifact, items: list[tuple[int, int, str]], series: list[str], values: dict[str, Any]
) -> None:
    run = added()
    run.artifacts["flashes"] = artifact
    found = insights(run)["others"][1]
    assert [(i["start_ms"], i["end_ms"], i["text"]) for i in found["items"]] == items
    assert [s["name"] for s in found["series"]] == series
    assert found["values"] == values


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
    summary = build(Sources(silent())).summary
    assert "the file has no sound, so there was nothing to hear." in summary[0].text
    assert not any(s.kind == "problem" for s in summary)
    assert "no pictures" in build(Sources(sightless())).summary[0].text


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


def test_texts_cannot_leave_the_pages_data_block() -> None:
    html = report(hostile(), ReportParams())["report.html"].decode()
    assert html.count("</script>") == 3
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
    block = re.search(rb'id="pictures">(.*?)</script>', html, re.S)
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
