"""The one decode pass over a chunk: frames in the order they are shown, with what could not be decoded kept account of."""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from kadr.contracts.media import SourceFile
from kadr.media.clock import Clock
from kadr.media.joins import Join, joins_of
from kadr.media.source import MAX_PIXELS, open_container, packets, video_stream

_STEPS_BACK_MS = (0, 1_000, 5_000, 20_000, 80_000)
"""How far before the chunk to seek until a key frame at or before its start is found; then from the beginning."""
_POINTS_TRIED = 3


@dataclass
class Damage:
    """What decoding left out. Times in ms of the timeline, attributed to the packet at which the decoder complained."""

    errors: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    _fed: list[int] = field(default_factory=list)

    def feed(self, ms: int | None) -> None:
        if ms is not None:
            heapq.heappush(self._fed, ms)

    def shown(self, ms: int) -> None:
        """A frame came out: of what was fed before it in time, whatever has not come out by now never will."""
        while self._fed and self._fed[0] <= ms:
            fed = heapq.heappop(self._fed)
            if fed < ms:
                self.lost.append(fed)

    def ended(self) -> None:
        self.lost.extend(sorted(self._fed))
        self._fed.clear()

    def complain(self, ms: int | None, otherwise: int) -> None:
        self.errors.append(otherwise if ms is None else ms)

    def hides(self, shown_ms: int, t_ms: int) -> bool:
        """Whether a frame in (shown_ms, t_ms] was lost to damage, so that the one of ``shown_ms`` is not what belongs at ``t_ms``."""
        if not self.errors:
            return False
        at = bisect.bisect_right(self.lost, shown_ms)
        return at < len(self.lost) and self.lost[at] <= t_ms

    def errors_in(self, start_ms: int, end_ms: int) -> int:
        return sum(start_ms <= t < end_ms for t in self.errors)


class _Place(NamedTuple):
    """A time before the wanted one, or the byte where a key frame begins."""

    back_ms: int = 0
    byte: int | None = None


@dataclass(frozen=True)
class VideoFacts:
    """What decoding needs to know from probe's payload."""

    index: int
    origin_us: int
    orientation: int
    width: int
    height: int
    fps: float
    end_ms: int
    timed: bool
    joins: tuple[Join, ...] = ()
    seek_points: tuple[tuple[int, int], ...] = ()
    """(ms, byte) of key frames; of a recording whose clock starts anew, where seeking by time leads astray."""

    @classmethod
    def of(cls, probe: Mapping[str, Any]) -> VideoFacts:
        """Raises KeyError or TypeError when the payload has no video."""
        video = probe["video"]
        names = ("index", "orientation", "width", "height", "fps", "end_ms", "timed")
        points = tuple((ms, pos) for ms, pos in probe.get("seek_points", ()))
        return cls(
            origin_us=probe["origin_us"],
            joins=joins_of(probe),
            seek_points=points,
            **{name: video[name] for name in names},
        )


def frames_shown(
    source: SourceFile, facts: VideoFacts, start_ms: int, stop_ms: int, damage: Damage, threads: int = 0
) -> Iterator[tuple[int, VideoFrame]]:
    """(ms, frame) in strictly rising order, from a frame at or before ``start_ms`` to the first at or after ``stop_ms``.

    ``threads`` = 0 lets FFmpeg choose. Damaged packets are skipped and noted in ``damage``.
    """
    with _positioned(source, facts, start_ms) as (stream, found):
        context = stream.codec_context
        context.options = {"max_pixels": str(MAX_PIXELS)}
        context.thread_type, context.thread_count = "AUTO", threads
        last_ms = -1
        for ms, frame in _timed(_decoded(stream, found, _clock(stream, facts), damage), facts):
            if ms <= last_ms:
                continue
            damage.shown(ms)
            last_ms = ms
            yield ms, frame
            if ms >= stop_ms:
                return
        damage.ended()


def _clock(stream: VideoStream, facts: VideoFacts) -> Clock:
    return Clock(stream.time_base or Fraction(1, 1_000_000), facts.origin_us)


def _timed(
    frames: Iterator[tuple[int | None, VideoFrame]], facts: VideoFacts
) -> Iterator[tuple[int, VideoFrame]]:
    """Streams without time stamps (raw H.264) are timed by counting; a single frame without one is left out."""
    for number, (ms, frame) in enumerate(frames):
        if not facts.timed:
            yield round(number * 1000 / facts.fps), frame
        elif ms is not None and ms >= 0:
            yield ms, frame


def _decoded(
    stream: VideoStream, found: Iterator[Packet[Any]], clock: Clock, damage: Damage
) -> Iterator[tuple[int | None, VideoFrame]]:
    last_ms = 0
    for packet in found:
        ticks = packet.pts if packet.pts is not None else packet.dts
        fed_ms = None if ticks is None or not packet.size else clock.ms(ticks)
        damage.feed(None if packet.is_discard else fed_ms)
        try:
            frames = stream.decode(packet if packet.size else None)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            damage.complain(fed_ms, last_ms)
            continue
        for frame in frames:
            ms = None if frame.pts is None else clock.ms(frame.pts)
            if frame.is_corrupt:
                damage.complain(ms, last_ms)
            last_ms = last_ms if ms is None else ms
            yield ms, frame


@contextmanager
def _positioned(
    source: SourceFile, facts: VideoFacts, start_ms: int
) -> Iterator[tuple[VideoStream, Iterator[Packet[Any]]]]:
    """The stream and its packets from a key frame at or before ``start_ms`` on, or from the beginning."""
    for place in _places(facts, start_ms):
        with open_container(source) as container:
            stream = video_stream(container, facts.index)
            found = packets(container, stream, joins=facts.joins)
            if place is None:
                yield stream, _flushed(found)
                return
            first = _key_packet(container, stream, facts, start_ms, place, found)
            if first is not None:
                yield stream, _flushed(itertools.chain([first], found))
                return


def _places(facts: VideoFacts, start_ms: int) -> Iterator[_Place | None]:
    """Where to look for a key frame, one after the other; None: at the beginning."""
    if facts.timed and start_ms > 0:
        if facts.joins:
            before = [pos for ms, pos in facts.seek_points if ms <= start_ms]
            yield from (_Place(byte=pos) for pos in before[: -_POINTS_TRIED - 1 : -1])
        else:
            yield from (_Place(back_ms=ms) for ms in _STEPS_BACK_MS if start_ms > ms)
    yield None


def _key_packet(
    container: InputContainer,
    stream: VideoStream,
    facts: VideoFacts,
    start_ms: int,
    place: _Place,
    found: Iterator[Packet[Any]],
) -> Packet[Any] | None:
    """The key frame that a seek leads to, None if it stands after ``start_ms``. Many demuxers seek by decoding time."""
    clock = _clock(stream, facts)
    try:
        if place.byte is None:
            container.seek(clock.ticks_after(start_ms - place.back_ms), stream=stream)
        else:
            container.seek(place.byte, unsupported_byte_offset=True)
    except (av.error.FFmpegError, OSError):
        return None
    first = next((p for p in found if p.size and p.is_keyframe and not p.is_discard), None)
    return first if first and first.pts is not None and clock.ms(first.pts) <= start_ms else None


def _flushed(found: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
    """Packets to the end, or as far as the file can be read; then the empty packet that flushes the decoder."""
    yield from found
    yield Packet()
