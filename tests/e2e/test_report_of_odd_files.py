"""What a person reads first in the report of a file that is not as it should be, and of a part of one that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest

from tests.e2e.conftest import REEL, Kadr

CHEAP = ("--only", "shots,quality,loudness,captions")


def reported(kadr: Kadr, path: Path, out: Path, *options: str) -> dict[str, Any]:
    kadr("analyze", path, *(options or CHEAP), "--out", out)
    found: dict[str, Any] = json.loads((out / "insights.json").read_text())
    return found


def sentences(found: dict[str, Any]) -> list[str]:
    return ["".join(p["text"] for p in s["phrases"]) for s in found["summary"]]


def copied(path: Path, *kinds: str) -> Path:
    """The reel's streams of these kinds, as they are."""
    with av.open(str(REEL)) as reel, av.open(str(path), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in reel.streams if s.type in kinds}
        for packet in reel.demux([reel.streams[i] for i in streams]):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return path


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "diary.mp4",
            b"Dear diary, today I was not a video.\n" * 50,
            "This is text, not a video, so nothing could be analysed. Check that the right file was given.",
        ),
        (
            "header.mp4",
            REEL.read_bytes()[:2_000],
            "The MP4 index is missing or damaged, so nothing could be analysed. The file was cut off or is still "
            "being written. Copy or download it again.",
        ),
        (
            "noise.mp4",
            bytes(range(256)) * 400,
            "This is no video or audio format that Kadr reads, so nothing could be analysed. Convert it, for example "
            "to MP4, or check the file.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith(".mp4") else "",
)
def test_what_is_no_video_is_said_plainly(
    kadr: Kadr, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert sentences(reported(kadr, path, tmp_path / "out"))[0] == says


def test_a_cut_off_file_is_said_to_be_cut_off(kadr: Kadr, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(REEL.read_bytes()[:1_500_000])
    first = sentences(reported(kadr, path, tmp_path / "out"))[0]
    assert first.startswith(
        "The file is cut off: it should last 1 min 5 s but holds only 15 s, so the report"
    )
    assert first.endswith("Copy or download it again.")


@pytest.mark.parametrize(
    ("name", "kind", "lacks"), [("sound.m4a", "audio", "no pictures"), ("mute.mp4", "video", "no sound")]
)
def test_a_file_without_sound_or_pictures_is_whole(
    kadr: Kadr, tmp_path: Path, name: str, kind: str, lacks: str
) -> None:
    found = reported(kadr, copied(tmp_path / name, kind), tmp_path / "out")
    assert found["status"] == "complete"
    assert all(s["kind"] != "problem" for s in found["summary"])
    assert f"the file has {lacks}" in sentences(found)[1]


def test_the_report_of_a_part_speaks_of_that_part(kadr: Kadr, tmp_path: Path) -> None:
    found = reported(kadr, REEL, tmp_path / "out", *CHEAP, "--from", "00:10", "--to", "00:30")
    first, second = sentences(found)[:2]
    assert first.startswith(
        "This report covers only 0:10–0:30 of 1:05, and only shots, the file's own captions"
    )
    assert second.startswith("20 s out of 1 min 5 s of video")
    assert (found["asked"]["start_ms"], found["asked"]["end_ms"]) == (10_000, 30_000)
    times = [t for shot in found["shots"] for t in (shot["start_ms"], shot["end_ms"])]
    assert (min(times), max(times)) == (10_000, 30_000)
