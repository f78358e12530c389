"""How long a file says that it is, where that is a promise which a cut file breaks, and no guess of the demuxer's."""

from __future__ import annotations

import re
from typing import BinaryIO

from av.container import InputContainer
from av.stream import Stream

from kadr.contracts.media import SourceFile
from kadr.media.index import SampleIndex, StreamExtent

_STREAMS_DECLARE = frozenset(
    [
        "aiff",
        "ape",
        "asf",
        "au",
        "avi",
        "caf",
        "flac",
        "ivf",
        "mov,mp4,m4a,3gp,3g2,mj2",
        "mxf",
        "rm",
        "tta",
        "w64",
        "wav",
        "wv",
    ]
)
"""Formats whose header holds each stream's own length."""
_GUESSED = frozenset(
    ["aac", "ac3", "amr", "av1", "dts", "eac3", "h264", "hevc", "m4v", "mp3", "mpegvideo", "obu"]
)
"""Formats without a header: FFmpeg divides the file's size by the bit rate of its beginning."""
_HEAD = 64
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_COUNTS = (b"Xing", b"Info", b"VBRI")
"""Before the number of frames that an MP3 file promises, in its first frame."""
_TAG = re.compile(r"(\d{1,6}):(\d{2}):(\d{2})(?:\.(\d{1,3}))?")


def promised_ms(source: SourceFile, container: InputContainer, index: SampleIndex) -> int:
    """Where the streams that were indexed end by what the file itself says of them; 0: it says nothing of the kind.

    ``container.duration`` also covers subtitles and other streams, and may be no more than a guess.
    """
    name = container.format.name
    streams = [(s, index.extents[s.index]) for s in container.streams if s.index in index.extents]
    if name.startswith("matroska"):
        ends_after = _segment_end(source)
        if ends_after is not None and ends_after <= source.size:
            return 0
        tagged = max((_tagged_ms(s) for s, _ in streams), default=0)
        return tagged or (0 if ends_after is None else _length_ms(container))
    if name == "flv":
        return _length_ms(container)
    if name in _STREAMS_DECLARE or (name == "mp3" and _counted(source)):
        return max((_declared_ms(s, e) for s, e in streams), default=0)
    return 0


def has_header(source: SourceFile, container: InputContainer) -> bool:
    """Whether the length that the container gives comes from the file at all."""
    name = container.format.name
    return name not in _GUESSED or (name == "mp3" and _counted(source))


def _length_ms(container: InputContainer) -> int:
    return (container.duration or 0) // 1000


def _declared_ms(stream: Stream, extent: StreamExtent) -> int:
    if not stream.duration or not stream.time_base:
        return 0
    return max(0, extent.first_us or 0) // 1000 + int(stream.duration * stream.time_base * 1000)


def _tagged_ms(stream: Stream) -> int:
    found = _TAG.match(stream.metadata.get("DURATION", ""))
    if not found:
        return 0
    hours, minutes, seconds, rest = found.groups()
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int((rest or "0").ljust(3, "0"))


def _segment_end(source: SourceFile) -> int | None:
    """The byte behind the last one that a Matroska file should have; None where it was written without knowing."""
    with source.open() as file:
        head = file.read(_HEAD)
        if not head.startswith(_EBML):
            return None
        size, length = _number(head[len(_EBML) :])
        at = len(_EBML) + length + (size or 0)
        file.seek(at)
        head = file.read(_HEAD)
    if not head.startswith(_SEGMENT):
        return None
    size, length = _number(head[len(_SEGMENT) :])
    return None if size is None else at + len(_SEGMENT) + length + size


def _number(data: bytes) -> tuple[int | None, int]:
    """An EBML number, None where all its bits are set (unknown) or there is none; and how many bytes it takes."""
    if not data or not data[0]:
        return None, 0
    length = 9 - data[0].bit_length()
    bits = (1 << 7 * length) - 1
    value = int.from_bytes(data[:length], "big") & bits
    return (None if value == bits else value), length


def _counted(source: SourceFile) -> bool:
    """Whether an MP3 file counts its frames: otherwise its length is guessed."""
    with source.open() as file:
        head = file.read(10)
        file.seek(_id3_end(head) if head.startswith(b"ID3") else 0)
        first = _first_bytes(file)
    return any(first.startswith(_COUNTS, at) for at in (4 + 9, 4 + 17, 4 + 32))


def _id3_end(head: bytes) -> int:
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _first_bytes(file: BinaryIO) -> bytes:
    """Of the first frame, over padding."""
    found = file.read(4096)
    sync = re.search(rb"\xff[\xe2-\xff]", found)
    return found[sync.start() : sync.start() + _HEAD] if sync else b""
