"""Recordings put together from several, whose clocks start anew: where, and how each goes on on one timeline.

Transport streams joined end to end and what recorders write are such. All streams of a part are moved by the same offset.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from av.packet import Packet

from kadr.media.clock import MAX_ORIGIN_US

_BACK_US = 1_000_000
_AHEAD_US = 600_000_000
"""A clock that runs back or ahead by more than this was set anew; what is less is disorder, or a gap in the recording."""
_ORDER_US = 10_000_000
"""Nothing is decoded so long before it is shown: of the last picture before a join FFmpeg takes the time from behind it."""
_MAX_PARTS = 500
_MOST_TICKS = 2**62


@dataclass(frozen=True)
class Join:
    """From the byte ``pos`` on, time stamps are moved by ``offset_us``."""

    pos: int
    offset_us: int


def joins_of(probe: Mapping[str, Any]) -> tuple[Join, ...]:
    """As probe's payload has them, which says nothing of a file that is of one piece."""
    return tuple(Join(pos, offset_us) for pos, offset_us in probe.get("joins", ()))


class Continued:
    """Moves the packets of one reading, in their order. Some do not know their place: it is their predecessor's."""

    def __init__(self, joins: Sequence[Join]) -> None:
        self._joins, self._from = joins, [j.pos for j in joins]
        self._pos: dict[int, int] = {}
        self._delay: dict[int, int] = {}

    def move(self, packet: Packet[Any]) -> None:
        if packet.pos is not None:
            self._pos[packet.stream_index] = packet.pos
        at = bisect.bisect_right(self._from, self._pos.get(packet.stream_index, 0))
        base = packet.time_base
        if not base:
            return
        self._mend(packet, base)
        if not at:
            return
        ticks = round(self._joins[at - 1].offset_us / (base * 1_000_000))
        packet.dts = _moved(packet.dts, ticks)
        packet.pts = _moved(packet.pts, ticks)

    def _mend(self, packet: Packet[Any], base: Fraction) -> None:
        if packet.pts is None or packet.dts is None:
            return
        if abs(packet.pts - packet.dts) * base * 1_000_000 > _ORDER_US:
            packet.pts = _moved(packet.dts, self._delay.get(packet.stream_index, 0))
            return
        self._delay[packet.stream_index] = packet.pts - packet.dts


def _moved(ticks: int | None, by: int) -> int | None:
    """None for what FFmpeg has no number for."""
    return None if ticks is None or abs(ticks + by) > _MOST_TICKS else ticks + by


@dataclass
class _Part:
    pos: int
    first_us: int
    end_us: int
    last_us: int

    def follows(self, us: int) -> bool:
        return -_BACK_US <= us - self.last_us <= _AHEAD_US

    def add(self, us: int, shown_us: int, length_us: int) -> None:
        self.last_us = us
        self.end_us = max(self.end_us, shown_us + length_us)


@dataclass
class Pieces:
    """Of one stream the parts within which its clock runs on. One damaged time stamp makes no part."""

    parts: list[_Part] = field(default_factory=list)
    _pos: int = -1
    _delay_us: int = 0
    _doubted: _Part | None = None

    @property
    def went_back(self) -> bool:
        """Whether some of its times come twice."""
        return any(after.first_us < before.end_us for before, after in itertools.pairwise(self.parts))

    def add(self, pos: int | None, us: int, shown_us: int, length_us: int) -> None:
        """A packet that is decoded at ``us`` and shown at ``shown_us``."""
        self._pos = self._pos if pos is None else pos
        self._delay_us = shown_us - us if abs(shown_us - us) <= _ORDER_US else self._delay_us
        shown_us = us + self._delay_us
        if self.parts and self.parts[-1].follows(us):
            self._doubted = None
        elif self._doubted is not None and self._doubted.follows(us):
            self.parts.append(self._doubted)
            self._doubted = None
        elif self.parts:
            self._doubted = _Part(self._pos, shown_us, shown_us + length_us, us)
            return
        else:
            self.parts.append(_Part(self._pos, shown_us, shown_us + length_us, us))
        self.parts[-1].add(us, shown_us, length_us)


def found_joins(streams: Sequence[Pieces]) -> tuple[Join, ...]:
    """Where the parts of all ``streams`` begin, and how each goes on where the one before ended. Empty: they do not fit."""
    known = [s.parts for s in streams if s.parts]
    longest = max(known, key=len, default=[])
    starts = [p.pos for p in longest[1:]]
    if not starts or len(longest) > _MAX_PARTS or starts[0] < 0 or starts != sorted(set(starts)):
        return ()
    grouped = [_by_join(parts, starts) for parts in known]
    if any(len(group) != len(parts) for group, parts in zip(grouped, known, strict=True)):
        return ()
    found: list[Join] = []
    offset_us, end_us = 0, max(g[0].end_us for g in grouped if 0 in g)
    for number in range(1, len(longest)):
        here = [g[number] for g in grouped if number in g]
        offset_us = end_us - min(p.first_us for p in here)
        end_us = max(p.end_us for p in here) + offset_us
        found.append(Join(min(p.pos for p in here), offset_us))
    return tuple(found) if all(abs(j.offset_us) <= MAX_ORIGIN_US for j in found) else ()


def _by_join(parts: Sequence[_Part], starts: Sequence[int]) -> dict[int, _Part]:
    """The first part by 0, each other one by the number of the join that it begins nearest to."""
    found = {0: parts[0]}
    for part in parts[1:]:
        after = bisect.bisect_left(starts, part.pos)
        nearest = min(
            (n for n in (after - 1, after) if 0 <= n < len(starts)), key=lambda n: abs(starts[n] - part.pos)
        )
        found[nearest + 1] = part
    return found
