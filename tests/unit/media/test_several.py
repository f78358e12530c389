"""A file within a file is no second recording: only what begins where the first one may end is."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kadr.media.index import SampleIndex
from kadr.media.probe import probe_source
from kadr.media.several import next_recording
from kadr.media.source import FileSource
from tests.fuzz.seeds import RECIPES
from tests.fuzz.seeds import made as made_anew
from tests.unit.media.counted import CountedSource

THUMBNAIL = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(64)
MP4 = "mp4-h264-aac"


@cache
def made(recipe: str) -> bytes:
    return made_anew(RECIPES[recipe])


def box(kind: bytes, content: bytes, *, wide: bool = False) -> bytes:
    if wide:
        return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content
    return struct.pack(">I4s", 8 + len(content), kind) + content


def joined(folder: Path, content: bytes) -> list[dict[str, Any]]:
    path = folder / "file"
    path.write_bytes(content)
    damage: list[dict[str, Any]] = probe_source(FileSource(path)).facts["damage"]
    return [d for d in damage if d["kind"] == "joined"]


def before_pictures(mp4: bytes, put: bytes) -> bytes:
    """A fragmented file, in which no byte is named by its place in the file."""
    at = mp4.index(b"moof") - 4
    return mp4[:at] + put + mp4[at:]


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("kind", [b"free", b"uuid"])
def test_a_picture_in_a_box_of_an_mp4_is_no_recording(tmp_path: Path, kind: bytes, wide: bool) -> None:
    held = box(kind, bytes(16) + THUMBNAIL, wide=wide)
    assert joined(tmp_path, made(MP4) + held) == []
    assert joined(tmp_path, before_pictures(made("mp4-fragmented"), held)) == []


def test_a_recording_behind_such_a_box_is_told(tmp_path: Path) -> None:
    one = made(MP4)
    for held in (box(b"uuid", bytes(16) + THUMBNAIL), box(b"free", THUMBNAIL, wide=True)):
        (told,) = joined(tmp_path, one + held + one)
        assert told["unread_bytes"] == len(one)


@pytest.mark.parametrize("size", [0, 5, 1 << 31])
def test_a_box_that_ends_nowhere_or_beyond_the_file_is_the_last(tmp_path: Path, size: int) -> None:
    last = struct.pack(">I4s", size, b"free") + bytes(8)
    assert joined(tmp_path, made(MP4) + last + THUMBNAIL) == []


def with_chunk(sound: bytes, put: bytes, order: str) -> bytes:
    """WAV or AIFF with one more chunk at its end."""
    size = struct.unpack_from(order + "I", sound, 4)[0] + len(put)
    return sound[:4] + struct.pack(order + "I", size) + sound[8:] + put


def test_a_sound_in_a_chunk_of_a_sound_is_no_recording(tmp_path: Path) -> None:
    wav = made("wav")
    held = b"junk" + struct.pack("<I", len(wav)) + wav
    more = with_chunk(wav, held, "<")
    assert joined(tmp_path, more) == []
    (told,) = joined(tmp_path, more + wav)
    assert told["unread_bytes"] == len(wav)
    aiff = made("aiff")
    more = with_chunk(aiff, b"APPL" + struct.pack(">I", len(aiff)) + aiff, ">")
    assert joined(tmp_path, more) == []
    (told,) = joined(tmp_path, more + aiff)
    assert told["unread_bytes"] == len(aiff)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_of_a_sound_that_does_not_say_how_long_it_is_nothing_is_told(tmp_path: Path, size: int) -> None:
    wav = made("wav")
    assert joined(tmp_path, wav[:4] + struct.pack("<I", size) + wav[8:] + wav) == []


def test_an_flv_within_a_tag_is_no_recording(tmp_path: Path) -> None:
    flv = made("flv-h264")
    held = b"\x02\x00\x08" + b"onHidden" + flv[:200]
    tag = b"\x12" + len(held).to_bytes(3, "big") + bytes(7) + held
    more = flv + tag + struct.pack(">I", len(tag))
    assert joined(tmp_path, more) == []
    (told,) = joined(tmp_path, more + flv)
    assert told["unread_bytes"] == len(flv)


def test_an_asf_within_an_object_is_no_recording(tmp_path: Path) -> None:
    asf = made("asf-wmv")
    held = bytes(range(16)) + struct.pack("<Q", 24 + len(asf)) + asf
    assert joined(tmp_path, asf + held) == []
    (told,) = joined(tmp_path, asf + held + asf)
    assert told["unread_bytes"] == len(asf)


def test_a_webm_attached_to_a_matroska_is_no_recording(tmp_path: Path) -> None:
    mkv = made("mkv-everything")
    at = mkv.index(b"\x18\x53\x80\x67") + 4
    said = int.from_bytes(mkv[at : at + 8], "big") & (1 << 56) - 1
    held = b"\x19\x41\xa4\x69\x01" + len(mkv).to_bytes(7, "big") + mkv
    longer = (said + len(held) | 1 << 56).to_bytes(8, "big")
    assert joined(tmp_path, mkv[:at] + longer + mkv[at + 8 :] + held) == []


TAIL = 4 << 20
"""Bytes that look like recordings; a thousand of these places may be looked at."""
EBML = b"\x1a\x45\xdf\xa3"


def looked_at(first: bytes, tail: bytes, name: str) -> CountedSource:
    """The file of both, after it was looked through, in which no second recording was found."""
    source = CountedSource(first + tail * (TAIL // len(tail)))
    index = SampleIndex({})
    index.read_to = len(first)
    assert next_recording(source, name, index) is None
    return source


def test_within_a_recording_that_says_it_goes_on_nothing_is_sought() -> None:
    wav, aiff, mkv = made("wav"), made("aiff"), made("mkv-everything")
    size = mkv.index(b"\x18\x53\x80\x67") + 4
    for source in (
        looked_at(wav[:4] + b"\xf0\xff\xff\xff" + wav[8:], wav[:12], "wav"),
        looked_at(aiff[:4] + b"\xff\xff\xff\xf0" + aiff[8:], aiff[:12], "aiff"),
        looked_at(
            mkv[:size] + b"\x01\x00\x00\xff" + mkv[size + 4 :], EBML + b"\x42\x82\x84webm", "matroska,webm"
        ),
    ):
        assert source.reads <= 4
        assert source.bytes_read < 256


def test_of_many_places_that_look_like_a_recording_some_are_looked_at() -> None:
    flv, mkv, mp4, asf = (made(name) for name in ("flv-h264", "mkv-everything", MP4, "asf-wmv"))
    for source, at_most in (
        (looked_at(flv + b"Z", flv[:9], "flv"), 4000),
        (looked_at(mkv, EBML, "matroska,webm"), 4000),
        (looked_at(mkv, EBML + bytes(60), "matroska,webm"), 4000),
        (looked_at(mp4, box(b"free", b""), "mov,mp4,m4a,3gp,3g2,mj2"), 40_000),
        (looked_at(asf, b"Z" * 16 + struct.pack("<Q", 24), "asf"), 40_000),
    ):
        assert source.reads < at_most
        assert source.seeks < at_most
        assert source.bytes_read < TAIL


def test_a_recording_behind_one_that_says_where_it_ends_is_found_at_once() -> None:
    for recipe, name in (("wav", "wav"), ("aiff", "aiff"), ("mkv-everything", "matroska,webm")):
        one = made(recipe)
        source = CountedSource(one * 3)
        index = SampleIndex({})
        index.read_to = len(one) // 2
        assert next_recording(source, name, index) == len(one)
        assert source.reads <= 4
