"""The sample index: one pass over all packets, without decoding, says where key frames are and how long streams really are."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from av.container import InputContainer
from av.packet import Packet

from kadr.media.clock import Clock
from kadr.media.joins import Join, Pieces
from kadr.media.pace import Pace
from kadr.media.source import packets

_KEY_DISTANCE_MS = 250
"""Key frames closer than this to the last one listed are left out, so that the index stays small for all-intra video."""
_TS_DISCONT = 0x0200
"""FFmpeg's AVFMT_TS_DISCONT, of formats in which clocks may be set anew."""
_SEEKS_BY_BYTE = ("mpegts", "mpeg")


@dataclass
class StreamExtent:
    """What the packets of one stream say. Times in microseconds of the timeline; None when no packet had a time stamp."""

    clock: Clock
    longest_us: int
    packets: int = 0
    corrupt: int = 0
    incredible: int = 0
    first_us: int | None = None
    last_us: int = 0
    end_us: int = 0
    pieces: Pieces = field(default_factory=Pieces)
    pace: Pace | None = None
    """Of pictures."""

    def add(self, packet: Packet[Any]) -> int | None:
        """Count ``packet`` and return its time in microseconds, if it has a credible one."""
        self.packets += 1
        self.corrupt += packet.is_corrupt
        ticks = packet.pts if packet.pts is not None else packet.dts
        if ticks is None or packet.is_discard:
            return None
        us = self.clock.us(ticks)
        length = self.clock.us(ticks + (packet.duration or 0)) - us
        read_us = us if packet.dts is None else self.clock.us(packet.dts)
        self.pieces.add(packet.pos, read_us, us, length)
        if abs(us) > self.longest_us:
            self.incredible += 1
            return None
        self.first_us = us if self.first_us is None else min(self.first_us, us)
        self.last_us = max(self.last_us, us)
        self.end_us = max(self.end_us, min(us + length, self.longest_us))
        if self.pace:
            self.pace.add(us)
        return us

    @property
    def fps(self) -> float | None:
        """Frames a second: of pictures that follow each other evenly, but for a few, their rate; else the mean."""
        return (self.pace.fps if self.pace else None) or self._mean_fps

    @property
    def fps_varies(self) -> bool:
        """Whether ``fps`` is but the mean."""
        return self._mean_fps is not None and (self.pace is None or self.pace.fps is None)

    @property
    def _mean_fps(self) -> float | None:
        span = self.last_us - (self.first_us or 0)
        return (self.packets - 1) * 1e6 / span if self.packets > 1 and span > 0 else None


@dataclass
class SampleIndex:
    """``extents`` by stream index; ``key_ms``, ``key_pos``: time and byte position (-1: unknown) of the video's key frames."""

    extents: dict[int, StreamExtent]
    key_ms: array[int] = field(default_factory=lambda: array("q"))
    key_pos: array[int] = field(default_factory=lambda: array("q"))
    truncated: str | None = None
    """Why reading stopped before the end of the file, if it did."""
    joins: tuple[Join, ...] = ()
    may_be_joined: bool = False
    seeks_by_byte: bool = False
    read_to: int = 0
    """The byte behind the last one of all packets, as far as they know their places."""

    @property
    def overlaps(self) -> bool:
        """Whether a clock was set back, so that of two parts one is left out."""
        return any(e.pieces.went_back for e in self.extents.values())

    @property
    def restarts(self) -> int:
        """How often a clock was set anew, joins apart."""
        return max((len(e.pieces.parts) - 1 for e in self.extents.values()), default=0)


def scan(
    container: InputContainer,
    video: int | None,
    audio: list[int],
    origin_us: int,
    longest_ms: int,
    joins: Sequence[Join] = (),
) -> SampleIndex:
    """Read every packet of the video stream ``video`` and the streams ``audio`` once. Memory does not grow with length.

    Time stamps further than ``longest_ms`` from 0 are not believed.
    """
    streams = [s for s in container.streams if s.index == video or s.index in audio]
    index = SampleIndex(
        {
            s.index: StreamExtent(
                Clock(s.time_base, origin_us),
                longest_ms * 1000,
                pace=Pace(float(s.time_base * 1_000_000)) if s.index == video else None,
            )
            for s in streams
            if s.time_base
        },
        joins=tuple(joins),
        may_be_joined=bool(container.format.flags & _TS_DISCONT),
        seeks_by_byte=container.format.name in _SEEKS_BY_BYTE,
    )
    if not index.extents:
        return index
    said: list[str] = []
    for packet in packets(container, *streams, said=said, joins=joins):
        if packet.size:
            _note(index, packet, packet.stream_index == video)
    index.truncated = said[0] if said else None
    return index


def _note(index: SampleIndex, packet: Packet[Any], is_video: bool) -> None:
    if packet.pos is not None:
        index.read_to = max(index.read_to, packet.pos + packet.size)
    us = index.extents[packet.stream_index].add(packet)
    if not is_video or us is None or not packet.is_keyframe or us < 0:
        return
    ms = (us + 500) // 1000
    if not index.key_ms or ms >= index.key_ms[-1] + _KEY_DISTANCE_MS:
        index.key_ms.append(ms)
        index.key_pos.append(-1 if packet.pos is None else packet.pos)
