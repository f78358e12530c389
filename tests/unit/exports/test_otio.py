"""The timeline as OpenTimelineIO opens it."""

from __future__ import annotations

from typing import Any

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.otio import frame_rate
from exports.source import Source
from tests.unit.exports.runs import body, exported, source, spoken
from tests.unit.functions.report_fixture import complete, empty, hostile, part, sightless, silent


def read(text: str) -> Any:
    return otio.adapters.read_from_string(text, "otio_json")


def markers(timeline: Any, kind: str) -> list[Any]:
    return [m for m in timeline.tracks.markers if m.metadata["kadr"]["kind"] == kind]


def seconds(span: Any) -> tuple[float, float]:
    return span.start_time.to_seconds(), span.end_time_exclusive().to_seconds()


def test_a_clip_for_each_shot_in_its_place() -> None:
    run = source(complete())
    timeline = read(body("otio", run))
    (pictures,), (sound,) = timeline.video_tracks(), timeline.audio_tracks()
    clips = list(pictures.find_clips())
    shots = run.found["shots"]
    assert len(clips) == len(shots)
    assert timeline.duration().to_seconds() == sound.duration().to_seconds() == 92
    for clip, shot in zip(clips, shots, strict=True):
        in_track = seconds(pictures.range_of_child(clip))
        assert in_track == seconds(clip.source_range)
        assert in_track == pytest.approx((shot["start_ms"] / 1000, shot["end_ms"] / 1000), abs=0.0201)
        assert clip.metadata["kadr"]["end_ms"] == shot["end_ms"]
        assert clip.media_reference.target_url == "harbour.mp4"


def test_markers_stand_where_things_are_said_and_shown() -> None:
    run = source(complete())
    timeline = read(body("otio", run))
    assert [m.name for m in markers(timeline, "speech")] == [s["text"] for s in run.found["transcript"]]
    assert [m.name for m in markers(timeline, "text")] == [t["text"] for t in run.found["texts"]]
    scene = markers(timeline, "scenes")[1]
    assert scene.name == "Scene 2"
    assert seconds(scene.marked_range)[0] == pytest.approx(
        run.found["scenes"][1]["start_ms"] / 1000, abs=0.0201
    )
    words = markers(read(body("otio", run, "words")), "words")
    assert [m.name for m in words] == [w["text"] for s in run.found["transcript"] for w in s["words"]]


def test_a_part_of_a_video_begins_with_a_gap() -> None:
    (pictures,) = read(body("otio", source(part()))).video_tracks()
    gap = pictures[0]
    assert isinstance(gap, otio.schema.Gap)
    assert seconds(gap.source_range) == (0, 20)
    assert seconds(pictures.range_of_child(pictures[1]))[0] == 20


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (25.0, 25),
        (29.971, 30_000 / 1001),
        (23.98, 24_000 / 1001),
        (50.0, 50),
        (12.5, 1000),
        (14.77, 1000),
        (None, 1000),
    ],
)
def test_the_rate_is_a_true_one_or_milliseconds(fps: float | None, rate: float) -> None:
    assert frame_rate({"fps": fps}) == pytest.approx(rate, abs=1e-9)


@pytest.mark.parametrize(
    ("run", "tracks"),
    [(silent, ["Video"]), (sightless, ["Audio"]), (empty, []), (hostile, ["Video", "Audio"])],
)
def test_what_is_not_there_is_left_out(run: Any, tracks: list[str]) -> None:
    made = exported("otio", source(run()))
    timeline = read(made.files[".otio"].decode())
    assert [t.name for t in timeline.tracks] == tracks
    assert bool(made.notes) == (run in (sightless, empty))


WHOLE = source(complete())


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    segment = {**spoken("x"), "text": text, "speaker": text}
    run = Source({**WHOLE.found, "transcript": [segment]}, WHOLE.artifact, WHOLE.file, text or "x")
    timeline = read(body("otio", run, "speech"))
    (marker,) = timeline.tracks.markers
    assert (
        marker.name.split()
        == "".join(c for c in text if c.isprintable() or c.isspace() or ord(c) > 0x9F).split()
    )
