"""Where the boxes, elements, chunks, pages and packets of a container stand: enough structure to damage it knowingly.

ISO base media (ISO/IEC 14496-12), EBML (RFC 8794), RIFF and IFF, ASF objects, Ogg pages (RFC 3533), MPEG transport packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

MOST_UNITS = 400
_BOXES = {
    b"moov",
    b"trak",
    b"mdia",
    b"minf",
    b"stbl",
    b"dinf",
    b"edts",
    b"udta",
    b"moof",
    b"traf",
    b"mvex",
    b"tref",
}
_MASTERS = {
    bytes.fromhex(kind)
    for kind in (
        *(
            "18538067",
            "1549a966",
            "1654ae6b",
            "ae",
            "e0",
            "e1",
            "1f43b675",
            "a0",
            "1c53bb6b",
            "bb",
            "b7",
            "114d9b74",
            "4dbb",
        ),
        *("1043a770", "45b9", "b6", "1941a469", "61a7", "1254c367", "7373", "67c8"),
    )
}
_TS_PACKET = 188


@dataclass(frozen=True)
class Unit:
    """[start, end) of a unit; its content begins at ``body``. Names and sizes are fields of so many bytes (0: none)."""

    start: int
    body: int
    end: int
    kind_at: int
    kind_bytes: int
    size_at: int
    size_bytes: int
    order: Literal["big", "little", "vint"]
    parent: int | None


def units(data: bytes) -> list[Unit]:
    """Units of ``data``, outer ones first; none where the container is not known."""
    walk = _walk_of(data)
    return list(islice(walk(data, 0, len(data), None), MOST_UNITS)) if walk else []


Walk = Callable[[bytes, int, int, int | None], Iterator[Unit]]


def _walk_of(data: bytes) -> Walk | None:
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"moof", b"styp"):
        return _boxes
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return _elements
    if data[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return lambda d, a, b, p: _chunks(d, a, b, p, "little")
    if data.startswith(b"FORM"):
        return lambda d, a, b, p: _chunks(d, a, b, p, "big")
    if data.startswith(b"OggS"):
        return _pages
    if data.startswith(bytes.fromhex("3026b2758e66cf11")):
        return _objects
    if data[:1] == b"G" and data[_TS_PACKET : _TS_PACKET + 1] == b"G":
        return _packets
    return None


def _boxes(data: bytes, at: int, end: int, parent: int | None) -> Iterator[Unit]:
    while at + 8 <= end:
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        last = min(end, at + size) if size >= 8 else end
        yield Unit(at, at + 8, last, at + 4, 4, at, 4, "big", parent)
        if kind in _BOXES:
            yield from _boxes(data, at + 8, last, at)
        elif kind in (b"meta", b"dref"):
            yield from _boxes(data, at + (12 if kind == b"meta" else 16), last, at)
        elif kind == b"stsd":
            yield from _boxes(data, at + 16, last, at)
        at = last


def _elements(data: bytes, at: int, end: int, parent: int | None) -> Iterator[Unit]:
    while at + 2 <= end and data[at]:
        kind_bytes = 9 - data[at].bit_length()
        size_at = at + kind_bytes
        if size_at >= end or not data[size_at]:
            return
        size_bytes = 9 - data[size_at].bit_length()
        body = size_at + size_bytes
        marker = 1 << (7 * size_bytes)
        size = int.from_bytes(data[size_at:body], "big") ^ marker
        last = end if size == marker - 1 else min(end, body + size)
        yield Unit(at, body, last, at, kind_bytes, size_at, size_bytes, "vint", parent)
        if data[at:size_at] in _MASTERS:
            yield from _elements(data, body, last, at)
        at = max(last, body)


def _chunks(
    data: bytes, at: int, end: int, parent: int | None, order: Literal["big", "little"]
) -> Iterator[Unit]:
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], order)
        last = min(end, at + 8 + size + size % 2)
        yield Unit(at, at + 8, last, at, 4, at + 4, 4, order, parent)
        if data[at : at + 4] in (b"RIFF", b"LIST", b"FORM"):
            yield from _chunks(data, at + 12, last, at, order)
        at = last


def _objects(data: bytes, at: int, end: int, parent: int | None) -> Iterator[Unit]:
    while at + 24 <= end:
        size = int.from_bytes(data[at + 16 : at + 24], "little")
        last = min(end, at + max(24, size))
        yield Unit(at, at + 24, last, at, 16, at + 16, 8, "little", parent)
        if parent is None and at == 0:
            yield from _objects(data, at + 30, last, at)
        at = last


def _pages(data: bytes, at: int, end: int, parent: int | None) -> Iterator[Unit]:
    while at >= 0:
        following = data.find(b"OggS", at + 4)
        last = end if following < 0 else following
        yield Unit(at, min(last, at + 27), last, at + 5, 1, at + 26, 1, "big", parent)
        at = following


def _packets(data: bytes, at: int, end: int, parent: int | None) -> Iterator[Unit]:
    for start in range(at, end, _TS_PACKET):
        last = min(end, start + _TS_PACKET)
        yield Unit(
            start,
            min(last, start + 4),
            last,
            min(last - 1, start + 1),
            min(2, last - start),
            start,
            0,
            "big",
            parent,
        )
