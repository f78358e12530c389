"""Thumbnails: what a player would cut out of the grids is what the video shows then."""

from __future__ import annotations

import io
import re
import tracemalloc
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
import webvtt
from PIL import Image

from exports.source import Source
from kadr.contracts.artifact import Artifact
from kadr.contracts.errors import InvalidObject
from tests.unit.exports.runs import exported, source
from tests.unit.exports.test_timed_text import ms
from tests.unit.functions.report_artifacts import painted
from tests.unit.functions.report_fixture import complete, long, sightless


def thumbnails(files: Any, stem: str, end: str) -> Iterator[tuple[int, int, Image.Image]]:
    """Start, end and picture of each cue, as a player finds them."""
    for cue in webvtt.from_buffer(io.StringIO(files[end].decode())).captions:
        name, x, y, w, h = re.fullmatch(r"(.+)#xywh=(\d+),(\d+),(\d+),(\d+)", cue.text).groups()  # type: ignore[union-attr]
        grid = Image.open(io.BytesIO(files[unquote(name).removeprefix(stem)]))
        left, upper, width, height = (int(v) for v in (x, y, w, h))
        assert left + width <= grid.width
        assert upper + height <= grid.height
        yield ms(cue.start_time), ms(cue.end_time), grid.crop((left, upper, left + width, upper + height))


def unlike(picture: Image.Image, t_ms: int) -> float:
    """Mean difference from what was painted for that moment."""
    truth = Image.fromarray(painted(t_ms)[:, :, ::-1]).resize(picture.size)
    return float(np.abs(np.asarray(picture, np.int16) - np.asarray(truth, np.int16)).mean())


@pytest.mark.parametrize(
    ("track", "end"), [("regular", ".storyboard.vtt"), ("shots", ".storyboard-shots.vtt")]
)
def test_each_time_shows_its_picture(track: str, end: str) -> None:
    run = source(complete(), "my talk #1")
    found = list(thumbnails(exported("storyboard", run, track).files, run.stem, end))
    key_frames = [k["start_ms"] for k in run.found["key_frames"]]
    assert [start for start, _, _ in found] == (
        key_frames if track == "shots" else list(range(0, 92_000, 2000))
    )
    assert all(unlike(picture, start) < 6 for start, _, picture in found)
    assert max(unlike(found[0][2], start) for start, _, _ in found) > 20
    assert [end for _, end, _ in found] == [*(start for start, _, _ in found[1:]), 92_000]


def test_of_a_part_the_last_picture_shows_until_the_part_ends() -> None:
    asked = {**source(complete()).found["asked"], "end_ms": 91_000, "whole": False}
    made = exported("storyboard", source(complete(), asked=asked))
    assert [*thumbnails(made.files, "harbour", ".storyboard.vtt")][-1][:2] == (90_000, 91_000)


def test_many_pictures_take_several_grids_of_the_size_asked_for() -> None:
    made = exported("storyboard", source(long()), width=64)
    grids = [Image.open(io.BytesIO(b)).size for n, b in made.files.items() if n.endswith(".jpg")]
    assert grids == [(640, 360), (640, 360)]
    found = list(thumbnails(made.files, "harbour", ".storyboard.vtt"))
    assert (len(found), {p.size for *_, p in found}) == (200, {(64, 36)})


def test_without_pictures_the_track_is_empty_and_says_why() -> None:
    made = exported("storyboard", source(sightless()))
    assert list(made.files) == [".storyboard.vtt"]
    assert list(thumbnails(made.files, "harbour", ".storyboard.vtt")) == []
    assert made.notes == (
        "storyboard regular: there are no pictures: The file has no pictures, so there is nothing to see.",
    )


def with_key_frames(*jpegs: bytes) -> Source:
    """A run with a key frame every 100 ms."""
    offsets = np.cumsum([0, *map(len, jpegs)])
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "keyframe_ms": np.arange(len(jpegs)) * 100,
        "keyframe_bytes": np.frombuffer(b"".join(jpegs), np.uint8),
        "keyframe_offsets": offsets,
    }
    run = source(complete())
    return Source(run.found, lambda _: Artifact(arrays=arrays), run.file, run.stem)


def jpeg(width: int, height: int) -> bytes:
    return cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))[1].tobytes()


def test_memory_does_not_grow_with_the_number_of_pictures() -> None:
    """500 pictures of 0.7 MB each."""
    run = with_key_frames(*[jpeg(640, 360)] * 500)
    tracemalloc.start()
    try:
        made = exported("storyboard", run, "shots", width=64)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(made.files) == 6
    assert peak < 20e6


@pytest.mark.parametrize("damaged", [b"no JPEG", b""])
def test_a_damaged_picture_is_said_with_its_time(damaged: bytes) -> None:
    run = with_key_frames(jpeg(64, 36), damaged, jpeg(64, 36))
    with pytest.raises(InvalidObject, match="the stored picture at 100 ms is damaged"):
        exported("storyboard", run, "shots")
