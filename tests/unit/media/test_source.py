"""What Kadr opens, what it refuses, and how it says so."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from kadr.contracts.errors import VideoUnreadable
from kadr.media.source import FileSource, open_container, packets
from kadr.storage.ranged import RangedSource
from tests.media_files import numbered, write_video
from tests.unit.media.counted import CountedSource


def refused(path: Path) -> str:
    with pytest.raises(VideoUnreadable) as caught, open_container(FileSource(path)) as container:
        next(container.demux())
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"Dear diary,\nthis is a text file.\n" * 50, "text, not a video"),
        ("Дорогой дневник! ".encode() * 500, "text, not a video"),
        (np.random.default_rng(0).bytes(9000), "no video or audio format"),
    ],
)
def test_what_is_no_video_is_called_by_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    assert said in refused(path)


def test_a_cut_off_mp4_is_said_to_lack_its_index(tmp_path: Path) -> None:
    path = write_video(tmp_path / "whole.mp4", numbered(25)).path
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[:700])
    assert "moov atom" in refused(cut)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "cannot be opened" in refused(tmp_path / "none.mp4")
    assert "not a file" in refused(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{target}'\n",
        "  \n#EXTM3U\n{target}\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{target}</BaseURL></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".sdp"])
def test_playlists_open_nothing(tmp_path: Path, text: str, suffix: str) -> None:
    target = write_video(tmp_path / "secret.ts", numbered(5)).path
    path = tmp_path / f"list{suffix}"
    path.write_text(text.format(target=target))
    assert refused(path)


def boxed(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def rewritten(data: bytes, path: Sequence[bytes], content: bytes) -> bytes:
    """``data``, a row of MP4 boxes, with the content of the box at ``path`` replaced and all sizes put right."""
    made, at = b"", 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        inside = data[at + 8 : at + size]
        if kind == path[0]:
            inside = rewritten(inside, path[1:], content) if len(path) > 1 else content
        made += boxed(kind, inside)
        at += size
    return made


def alias(target: Path) -> bytes:
    """A QuickTime alias record that names ``target`` by its absolute path."""
    name = str(target).encode()
    head = (
        bytes(10)
        + bytes([1])
        + b"x".ljust(27, b"\0")
        + bytes(12)
        + bytes([1])
        + b"x".ljust(63, b"\0")
        + bytes(16)
    )
    levels = struct.pack(">HH", 1, 1) + bytes(16)
    volume = struct.pack(">HH", 18, 1) + b"/\0"
    absolute = struct.pack(">HH", 2, len(name)) + name + bytes(len(name) % 2)
    return head + levels + absolute + volume + struct.pack(">HH", 0xFFFF, 0)


def test_a_movie_that_keeps_its_data_elsewhere_gets_nothing_from_there(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "elsewhere.mov", numbered(25)).path
    reference = boxed(b"alis", bytes(4) + alias(whole).ljust(200, b"\0"))
    box = [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"]
    data = rewritten(whole.read_bytes(), box, bytes(4) + struct.pack(">I", 1) + reference)
    stripped = data.replace(b"mdat", b"free")
    samples = data.index(b"mdat") + 4
    length = struct.unpack(">I", data[samples - 8 : samples - 4])[0] - 8
    path = tmp_path / "referring.mov"
    path.write_bytes(stripped[:samples] + bytes(length) + stripped[samples + length :])

    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as careless:
        assert sum(1 for _ in careless.decode(video=0)) == 25
    with open_container(FileSource(path)) as container:
        assert not any(any(bytes(p)) for p in container.demux(video=0) if p.size)


def test_empty_boxes_cost_no_seek_each(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.mp4", numbered(25)).path.read_bytes()
    boxes = 20_000
    padded = CountedSource(whole + boxed(b"free", b"") * boxes)
    with open_container(padded) as container:
        assert sum(1 for p in container.demux(video=0) if p.size) == 25
    assert padded.seeks < boxes / 100
    assert padded.bytes_read < 2 * padded.size


@pytest.mark.parametrize("offset", [1 << 40, 1 << 45, (1 << 63) - 1])
def test_an_offset_where_no_file_reaches_ends_no_reading_by_an_exception(tmp_path: Path, offset: int) -> None:
    data = write_video(tmp_path / "v.mov", numbered(25)).path.read_bytes()
    box = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stco"]
    far = rewritten(data, box, bytes(4) + struct.pack(">IQ", 1, offset)).replace(b"stco", b"co64")
    path = tmp_path / "far.mov"
    path.write_bytes(far)
    said: list[str] = []
    for source in (FileSource(path), RangedSource(len(far), lambda at, n: far[at : at + n])):
        with open_container(source) as container:
            assert container.streams.video[0].frames == 25
            assert not [p for p in packets(container, container.streams.video[0], said=said) if p.size]
    assert "Invalid argument" not in "".join(said)


def test_what_lies_in_a_bucket_reads_like_a_file(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", numbered(25))
    data = source.path.read_bytes()
    with (
        open_container(source) as local,
        open_container(RangedSource(len(data), lambda at, n: data[at : at + n])) as far,
    ):
        assert [bytes(p) for p in far.demux()] == [bytes(p) for p in local.demux()]
