"""Files put together from several recordings of which only some is read: where the next recording begins.

FFmpeg reads of some formats the first recording only; of others all, whose clocks start anew each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from kadr.contracts.media import SourceFile
from kadr.media.index import SampleIndex
from kadr.media.nesting import first_end, in_tag, tops

_BEGINNINGS = {
    "flv": rb"FLV\x01.\x00\x00\x00\x09",
    "mov,mp4,m4a,3gp,3g2,mj2": rb"\x00\x00\x00.ftyp[ -~]{4}",
    "asf": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
    "wav": rb"RIFF.{4}WAVE",
    "aiff": rb"FORM.{4}AIF[FC]",
    "matroska,webm": rb"\x1a\x45\xdf\xa3.{0,60}?\x42\x82.(?:matroska|webm)",
    "ogg": rb"OggS\x00\x02\x00{8}",
    "flac": rb"fLaC[\x00\x80]\x00\x00\x22",
}
"""How files begin, by the format's name in FFmpeg; long enough to be no chance."""
_SOUGHT = {"matroska,webm": rb"\x1a\x45\xdf\xa3"}
"""What is sought, where to match a whole beginning at every such place would take long."""
_LONGEST = 128
"""Bytes of a beginning, at most."""
_MOST_PLACES, _MOST_BOXES = 1000, 1 << 14
"""Places that look like a beginning, and boxes, that are looked at: more are no chance, but made to cost time."""
_BLOCK = 1 << 20
_BEHIND = 64 << 20
"""How far behind the last packet is looked: an index may stand there."""
_BEFORE = 8 << 20
"""How far before the first packet of another recording its beginning may be."""


def next_recording(source: SourceFile, name: str, index: SampleIndex) -> int | None:
    """The byte at which another recording begins that is not read, or not wholly; None: there is none that can be told.

    ``name``: of the format. What lies within a box, chunk or tag of the first recording is its own.
    """
    sign = _BEGINNINGS.get(name)
    if sign is None or not index.read_to:
        return None
    backs = [p.pos for e in index.extents.values() if e.pieces.went_back for p in e.pieces.parts[1:2]]
    start, end = index.read_to, index.read_to + _BEHIND
    if backs:
        start, end = max(1, max(backs) - _BEFORE), max(backs) + _LONGEST
    pattern = re.compile(sign, re.DOTALL)
    with source.open() as file:
        known = tops(file, name, source.size)
        if known is None:
            places = _found(file, name, start, min(end, source.size))
        else:
            reach = end if backs else source.size
            places = islice((at for at in known if start <= at < reach), _MOST_BOXES)
        return next((at for at in places if _begins(file, at, pattern) and not in_tag(file, name, at)), None)


def _begins(file: BinaryIO, at: int, pattern: re.Pattern[bytes]) -> bool:
    file.seek(at)
    return pattern.match(file.read(_LONGEST)) is not None


def _found(file: BinaryIO, name: str, start: int, end: int) -> Iterator[int]:
    """Where the first recording may have ended and another may begin."""
    first = first_end(file, name)
    if first is None:
        return
    sought = re.compile(_SOUGHT.get(name, _BEGINNINGS[name]), re.DOTALL)
    yield from islice(_matches(file, sought, max(start, first), end), _MOST_PLACES)


def _matches(file: BinaryIO, sought: re.Pattern[bytes], start: int, end: int) -> Iterator[int]:
    """Stretches are read with the beginning of the next."""
    for at in range(start, end, _BLOCK):
        file.seek(at)
        yield from (at + m.start() for m in sought.finditer(file.read(min(_BLOCK + _LONGEST, end - at))))
