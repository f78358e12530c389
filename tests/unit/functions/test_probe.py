"""probe: facts, index and plan of real small files."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import pytest

from functions.pcm.component import PcmParams, pcm
from functions.probe.component import ProbeParams, probe
from kadr.contracts.errors import VideoUnreadable
from kadr.contracts.keys import jcs
from kadr.media.probe import probe_source
from kadr.media.source import FileSource
from tests.fuzz.seeds import RECIPES, made
from tests.media_files import colour, numbered, probed, write_video
from tests.unit.media.counted import CountedSource


def facts(source: FileSource) -> dict[str, object]:
    return dict(probed(source)[0].payload)


def video(source: FileSource) -> dict[str, object]:
    return dict(probed(source)[0].payload["video"])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "mov"])
def test_containers_agree(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    found = facts(
        write_video(tmp_path / f"v.{suffix}", numbered(50), codec=codec, b_frames=0 if suffix == "avi" else 2)
    )
    assert found["duration_ms"] == pytest.approx(2000, abs=5)
    assert found["video"]["fps"] == pytest.approx(25, abs=0.1)  # type: ignore[index]
    assert found["video"]["frames"] == 50  # type: ignore[index]
    assert found["audio"] == []
    assert found["warnings"] == []


def test_raw_h264_is_timed_by_counting(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.h264", numbered(50))
    found, chunks = probed(source, chunk_ms=500)
    assert found.payload["duration_ms"] == 2000
    assert not found.payload["video"]["timed"]
    assert [(c.start_ms, c.end_ms) for c in chunks] == [(0, 2000)]


@pytest.mark.parametrize(
    ("rotation", "clockwise", "size"), [(90, 270, (48, 64)), (-90, 90, (48, 64)), (180, 180, (64, 48))]
)
def test_sizes_are_upright(tmp_path: Path, rotation: int, clockwise: int, size: tuple[int, int]) -> None:
    found = video(write_video(tmp_path / "v.mp4", numbered(5), rotation=rotation))
    assert (found["width"], found["height"]) == size
    assert found["rotation"] == clockwise


def test_pixels_are_square(tmp_path: Path) -> None:
    found = video(write_video(tmp_path / "v.mp4", numbered(5), pixel_aspect=Fraction(2)))
    assert (found["width"], found["height"]) == (128, 48)


def test_audio_only(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.m4a", tone_s=1.0)
    made = probe(source, ProbeParams(), {"probe", "plan", "index"})
    assert made["probe"].payload["video"] is None
    assert made["plan"].absent == "no_video"
    assert made["probe"].payload["duration_ms"] == pytest.approx(1000, abs=50)
    assert made["probe"].payload["audio"][0]["channels"] == 2


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", tone_s=0.5, cover=colour(200, 0, 0))
    found = facts(source)
    assert found["video"] is None
    assert found["attached_pictures"] == 1


def test_the_plan_is_cut_at_key_frames(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", numbered(150), gop=10, b_frames=2)
    made = probe(source, ProbeParams(chunk_ms=1000), {"plan", "index"})
    keys = set(made["index"]["key_frame_ms"].tolist())
    assert len(made["plan"]["start_ms"]) >= 4
    assert set(made["plan"]["start_ms"].tolist()) <= keys
    assert made["plan"]["end_ms"][-1] == 6000
    assert "probe" not in made


def test_the_timeline_spans_video_and_audio(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mkv", numbered(25), tone_s=2.0, tone_start_ms=500)
    found, chunks = probed(source)
    assert found.payload["duration_ms"] == pytest.approx(2500, abs=30)
    assert found.payload["audio"][0]["start_ms"] == pytest.approx(500, abs=2)
    assert chunks[-1].end_ms == found.payload["duration_ms"]


def test_a_truncated_file_has_the_length_of_what_is_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", numbered(100)).path
    data = path.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: len(data) // 2])
    found = facts(FileSource(cut))
    assert 500 < found["duration_ms"] < 3500  # type: ignore[operator]
    damage = {"kind": "cut_off", "expected_ms": 4000, "found_ms": found["duration_ms"]}
    assert found["damage"] == [damage]
    assert any("cut off: its header says 4.0 s" in w for w in found["warnings"])  # type: ignore[attr-defined]


def test_a_whole_file_has_no_damage(tmp_path: Path) -> None:
    assert facts(write_video(tmp_path / "v.mp4", numbered(10)))["damage"] == []


def png(side: int) -> bytes:
    """A picture of side × side black pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    lines = zlib.compress(bytes((side // 8 + 1) * side))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


@pytest.mark.parametrize("declared", [64, 12_000])
def test_a_size_bomb_is_refused(tmp_path: Path, declared: int) -> None:
    with av.open(tmp_path / "bomb.mov", "w") as container:
        stream = container.add_stream("png", rate=1)
        stream.width = stream.height = declared
        stream.pix_fmt = "rgb24"
        for i in range(2):
            packet = av.Packet(png(12_000))
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, i, i, Fraction(1)
            container.mux(packet)
    with pytest.raises(VideoUnreadable, match=r"67 million pixels"):
        probed(FileSource(tmp_path / "bomb.mov"))


def test_a_start_that_the_header_gets_wrong(tmp_path: Path) -> None:
    # FFmpeg takes the sound's start for the picture's when there are only two pictures before it.
    source = write_video(tmp_path / "v.mkv", numbered(2), tone_s=1.0, tone_start_ms=330)
    found = facts(source)
    assert found["origin_us"] == 0
    assert found["video"]["start_ms"] == 0  # type: ignore[index]
    assert found["audio"][0]["start_ms"] == 330  # type: ignore[index]


def test_damaged_time_stamps_do_not_make_days_of_silence(tmp_path: Path) -> None:
    days_ms = 40 * 3_600_000
    source = write_video(tmp_path / "v.mkv", numbered(25), tone_s=2.0, tone_gap_ms=days_ms)
    found, _ = probed(source)
    assert found.payload["duration_ms"] == pytest.approx(1000, abs=60)
    assert [d["kind"] for d in found.payload["damage"]] == ["time_stamps"]
    sound = pcm(source, found, PcmParams(), {"pcm"})["pcm"]
    assert len(sound["samples"]) <= 16 * found.payload["duration_ms"]


@pytest.mark.parametrize(
    "times_ms", [[2**53 // 1000 + 500 * i for i in range(5)], [0, 40, 80, 2**53 // 1000]]
)
def test_times_beyond_all_measure_leave_facts_that_can_be_written(
    tmp_path: Path, times_ms: list[int]
) -> None:
    found = facts(write_video(tmp_path / "v.mkv", numbered(len(times_ms)), times_ms=times_ms))
    assert 0 < found["duration_ms"] < 2 * 3_600_000  # type: ignore[operator]
    assert jcs(found)


def test_chapters_beyond_all_measure_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    path.write_bytes(made(RECIPES["mkv-everything"]))
    whole = facts(FileSource(path))["chapters"]
    data = path.read_bytes()
    times = data.rindex(b"\x91\x84", 0, data.index(b"part 2"))  # start and end, four bytes each
    never = b"\x92\x88\x7f" + b"\xff" * 7 + b"\xec\x80"
    path.write_bytes(data[:times] + never + data[times + len(never) :])
    assert facts(FileSource(path))["chapters"] == whole[:2]  # type: ignore[index]


def test_a_video_is_opened_for_its_packets_and_for_its_facts_and_no_more(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.mp4", numbered(25), tone_s=1).path.read_bytes()
    boxes = 20_000
    padded = CountedSource(whole + struct.pack(">I4s", 8, b"free") * boxes)
    assert probe_source(padded).facts["video"]["frames"] == 25
    # Once more to look for another recording, where boxes are passed one by one, up to a bound.
    assert padded.opened == 3
    assert padded.seeks < 2 * boxes
