"""What of a file is within a box, chunk or tag of a recording, by the sizes these say: no content is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

_HEAD = 24
"""Bytes in which every size stands."""
_MAX_BOXES = 1 << 20
_LONGEST_BEGINNING = 4096
"""Bytes of what stands before a Matroska file's segment."""
_UNKNOWN = (0, 0xFFFFFFFF)
"""Sizes that a writer leaves which cannot go back, or (RF64) writes elsewhere."""


def tops(file: BinaryIO, name: str, size: int) -> Iterator[int] | None:
    """Where the boxes of a file of ``size`` bytes begin that are in no other; None: not told for the format ``name``.

    What has no size, or an impossible one, is the last.
    """
    length = _LENGTHS.get(name)
    return None if length is None else _walk(file, length, size)


def _walk(file: BinaryIO, length: Callable[[bytes], int], size: int) -> Iterator[int]:
    at = 0
    for _ in range(_MAX_BOXES):
        yield at
        box = length(_read(file, at))
        at += box
        if not box or at >= size:
            return


def first_end(file: BinaryIO, name: str) -> int | None:
    """Where the first recording ends, by what its head says: all before is within it.

    0: heads of this format do not say it, or of Matroska need not. None: this one should, and nothing can be told.
    """
    if name in ("wav", "aiff"):
        said = int.from_bytes(_read(file, 0)[4:8], "little" if name == "wav" else "big")
        return None if said in _UNKNOWN else 8 + said
    return _segment_end(file) if name == "matroska,webm" else 0


def in_tag(file: BinaryIO, name: str, at: int) -> bool:
    """Whether the byte ``at`` of an FLV is within a tag: the four bytes before are not the length of one.

    Where they are, the tag says the same of itself.
    """
    if name != "flv":
        return False
    before = int.from_bytes(_read(file, max(0, at - 4))[:4], "big")
    if not 11 <= before <= at - 4:
        return True
    return int.from_bytes(_read(file, at - 4 - before)[1:4], "big") + 11 != before


def _segment_end(file: BinaryIO) -> int:
    """Matroska: where the first segment ends; 0 if it does not say."""
    begin = _element(_read(file, 0))
    segment = _element(_read(file, begin)) if begin <= _LONGEST_BEGINNING else 0
    return begin + segment if begin and segment else 0


def _element(head: bytes) -> int:
    """The whole length of a Matroska element; 0: it does not say."""
    if len(head) < _HEAD or not head[0]:
        return 0
    ident = 9 - head[0].bit_length()
    width = 9 - head[ident].bit_length()
    most = (1 << 7 * width) - 1
    said = int.from_bytes(head[ident : ident + width], "big") & most
    return 0 if width > 8 or said == most else ident + width + said


def _mp4_box(head: bytes) -> int:
    said, large = int.from_bytes(head[:4], "big"), int.from_bytes(head[8:16], "big")
    if said == 1:
        return large if large >= 16 else 0
    return said if said >= 8 else 0


def _asf_object(head: bytes) -> int:
    said = int.from_bytes(head[16:24], "little")
    return said if said >= 24 else 0


_LENGTHS = {"mov,mp4,m4a,3gp,3g2,mj2": _mp4_box, "asf": _asf_object}


def _read(file: BinaryIO, at: int) -> bytes:
    file.seek(at)
    return file.read(_HEAD)
