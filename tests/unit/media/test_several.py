"""A file within a file is no second recording: only what begins where the first one may end is."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kadr.media.probe import probe_source
from kadr.media.source import FileSource
from tests.fuzz.seeds import RECIPES
from tests.fuzz.seeds import made as made_anew

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
