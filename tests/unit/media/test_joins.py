"""A recording put together from several, whose clock is set back: all of it is on one timeline."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from functions.pcm.component import PcmParams, pcm
from functions.report.about import Asked, Damage, Missing, Video
from functions.report.problem import problem
from kadr.contracts.component import Frames
from kadr.media.joins import Continued, Join, Pieces, found_joins
from kadr.media.pack import FramePack
from kadr.media.probe import probe_source
from kadr.media.source import FileSource
from tests.fuzz.seeds import RECIPES, made
from tests.media_files import numbered, packs_of, probed, write_video

PART_MS = 12_000
PICTURES = 60
EVERY = Frames(size=(48, 27))


@cache
def parts(folder: Path, suffix: str) -> tuple[Path, ...]:
    """Each twelve seconds, brighter from picture to picture, with a second of tone from 5 s on."""
    codec = "mpeg2video" if suffix == "mpg" else "libx264"
    fps, tone_s = (25, 0) if suffix == "mpg" else (5, 1)
    many = PART_MS * fps // 1000
    made = []
    for number in range(2):
        path = folder / f"part{number}.{suffix}"
        pictures = [numbered(50)[(i * PICTURES // many) % 25 + 25 * number] for i in range(many)]
        frames = 0 if suffix == "mpg" else 2
        write_video(
            path, pictures, fps=fps, gop=10, b_frames=frames, codec=codec, tone_s=tone_s, tone_start_ms=5000
        )
        made.append(path)
    return tuple(made)


def later(path: Path, seconds: int) -> Path:
    """The same by a clock that is ahead."""
    late = path.with_name(f"{seconds}-{path.name}")
    out: Any
    with av.open(path) as original, av.open(late, "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in original.streams}
        for packet in original.demux():
            if packet.dts is not None:
                for_us = round(seconds / packet.time_base)
                packet.pts, packet.dts = (packet.pts or 0) + for_us, packet.dts + for_us
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return late


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("joins")


def joined(folder: Path, suffix: str, *ahead_s: int) -> FileSource:
    found = [later(p, s) if s else p for p, s in zip(parts(folder, suffix), ahead_s, strict=True)]
    path = folder / f"joined{ahead_s}.{suffix}"
    path.write_bytes(b"".join(p.read_bytes() for p in found))
    return FileSource(path)


def shown(source: FileSource, **params: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for chunk, (pack,) in packs_of(source, EVERY, **params):
        found |= {t: jpeg for t, jpeg in FramePack(pack).encoded() if chunk.start_ms <= t < chunk.end_ms}
    return found


def brightness(source: FileSource) -> list[tuple[int, int]]:
    ((_, (pack,)),) = packs_of(source, EVERY, chunk_ms=60_000)
    return [
        (t, round(float(image.mean())))
        for batch in FramePack(pack)
        for t, image in zip(batch.t_ms.tolist(), batch.images, strict=True)
    ]


@pytest.mark.parametrize("ahead_s", [(0, 0), (0, 7200), (7200, 0)])
@pytest.mark.parametrize("suffix", ["ts", "mpg"])
def test_all_parts_are_seen_one_after_the_other(folder: Path, suffix: str, ahead_s: tuple[int, int]) -> None:
    source = joined(folder, suffix, *ahead_s)
    facts, _ = probed(source)
    assert facts.payload["duration_ms"] == pytest.approx(2 * PART_MS, abs=300)
    assert facts.payload["damage"] == []
    seen = brightness(source)
    first = [b for t, b in seen if t < 11_900]
    second = [b for t, b in seen if t > 12_500]
    assert max(first) < 118 < min(second)
    assert max(second) > 205
    assert len(seen) == facts.payload["video"]["frames"]
    steps = np.diff([t for t, _ in seen])
    assert 0 < steps.min() <= steps.max() <= 400


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
def test_chunks_give_what_one_piece_gives(folder: Path, suffix: str) -> None:
    source = joined(folder, suffix, 0, 0)
    whole = shown(source, chunk_ms=60_000)
    assert len(whole) == (2 * PICTURES if suffix == "ts" else 600)
    assert shown(source, chunk_ms=3000) == whole
    part = shown(source, from_ms=13_100, to_ms=20_000)
    assert part == {t: jpeg for t, jpeg in whole.items() if 13_100 <= t < 20_000}


@pytest.mark.parametrize("ahead_s", [(0, 0), (7200, 0)])
def test_sound_keeps_to_its_pictures(folder: Path, ahead_s: tuple[int, int]) -> None:
    source = joined(folder, "ts", *ahead_s)
    facts, _ = probed(source)
    (turn,) = [t for (_, before), (t, b) in itertools.pairwise(brightness(source)) if b - before > 50]
    for from_ms in (0, 10_000):
        sound = pcm(source, facts, PcmParams(from_ms=from_ms), {"pcm"})["pcm"]["samples"]
        loud = np.abs(sound.astype(int)) > 2000
        heard = np.nonzero(loud)[0] // 16 + from_ms
        starts = [heard[0], *heard[1:][np.diff(heard) > 1000]]
        begun = facts.payload["video"]["start_ms"]
        expected = [begun + 5000, turn + 5000] if from_ms == 0 else [turn + 5000]
        assert starts == pytest.approx(expected, abs=60)


def test_one_damaged_time_stamp_makes_no_part() -> None:
    pieces = Pieces()
    for number, us in enumerate([9_000_000, 9_040_000, 7_200_000_000, 9_120_000, 0, 9_200_000]):
        pieces.add(number, us, us, 40_000)
    assert len(pieces.parts) == 1
    for us in (0, 40_000):
        pieces.add(9, us, us, 40_000)
    assert [p.pos for p in pieces.parts] == [0, 9]


def test_times_beyond_all_measure_are_none() -> None:
    packet: Any = av.Packet(b"x")
    packet.pts, packet.dts, packet.time_base = 2**62, 2**62, Fraction(1, 1000)
    Continued([Join(0, 2**52)]).move(packet)
    assert (packet.pts, packet.dts) == (None, None)
    pieces = Pieces()
    for us in (2**61, 2**61 + 1, 0, 1):
        pieces.add(us % 7 + 1, us, us, 0)
    assert found_joins([pieces]) == ()


def twice(folder: Path, recipe: str) -> tuple[FileSource, int]:
    """One recording after itself in a file, and the size of one."""
    path = folder / f"{recipe}-twice"
    plain = made(RECIPES[recipe])
    path.write_bytes(plain + plain)
    return FileSource(path), len(plain)


def said_first(facts: dict[str, Any]) -> str:
    """Of what is damaged, by the report."""
    asked = Asked(
        start_ms=0, end_ms=3000, whole=True, profile="", narrowed=False, looked_for=("shots",), left_out=()
    )
    lost = Missing(components=("probe",), why="damaged", reason=facts["warnings"][0], what_to_do="")
    damage = tuple(Damage(**d) for d in facts["damage"])
    video = Video(title="", video_id="", duration_ms=3000, size_bytes=facts["size_bytes"], damage=damage)
    told = problem([lost], asked, video)
    assert told is not None
    for unread in (d.unread_bytes for d in damage if d.unread_bytes):
        assert told.to_do.startswith(f"Cut the file at byte {facts['size_bytes'] - unread}, where the next")
    assert "give each by itself" in told.to_do
    return told.what


@pytest.mark.parametrize("recipe", ["mkv-everything", "ogg-opus", "mp4-fragmented", "flac"])
def test_what_cannot_be_put_on_one_timeline_is_told(folder: Path, recipe: str) -> None:
    facts = probe_source(twice(folder, recipe)[0]).facts
    assert [d["kind"] for d in facts["damage"]] == ["joined"]
    assert "joins" not in facts
    assert any("several recordings are joined" in w for w in facts["warnings"])
    assert "put together from several recordings" in said_first(facts)


@pytest.mark.parametrize("recipe", ["flv-h264", "mp4-h264-aac", "mp4-faststart", "asf-wmv", "wav"])
def test_that_only_the_first_of_several_recordings_is_read_is_told(folder: Path, recipe: str) -> None:
    source, size = twice(folder, recipe)
    facts = probe_source(source).facts
    assert [(d["kind"], d["unread_bytes"]) for d in facts["damage"]] == [("joined", size)]
    assert "covers only the first" in said_first(facts)


def test_a_clock_that_is_set_back_is_told(folder: Path) -> None:
    facts = probe_source(twice(folder, "nut")[0]).facts
    assert [d["kind"] for d in facts["damage"]] == ["clock"]
    assert any("clock is set back" in w for w in facts["warnings"])
    assert "set back" in said_first(facts)


@pytest.mark.parametrize("recipe", RECIPES)
def test_of_one_recording_nothing_of_the_kind_is_told(folder: Path, recipe: str) -> None:
    path = folder / f"{recipe}-once"
    path.write_bytes(made(RECIPES[recipe]))
    assert probe_source(FileSource(path)).facts["damage"] == []
