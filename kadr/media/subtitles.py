"""Text subtitles embedded in the video, as plain text with times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.subtitles.subtitle import AssSubtitle

from kadr.contracts.media import SourceFile
from kadr.media.clock import Clock
from kadr.media.cues import Cue, kept_cues
from kadr.media.joins import joins_of
from kadr.media.markup import plain
from kadr.media.source import open_container, packets

TEXT_CODECS = frozenset({"subrip", "srt", "mov_text", "webvtt", "ass", "ssa", "text"})


def embedded_cues(source: SourceFile, probe: Mapping[str, Any], index: int) -> list[Cue]:
    """The cues of subtitle stream ``index``, sorted; at most MAX_CUES. Damaged packets are left out."""
    with open_container(source) as container:
        for stream in container.streams:
            if stream.index != index:
                stream.discard = Discard.all
        return kept_cues(_packet_cues(container, index, probe))


def _packet_cues(container: InputContainer, index: int, probe: Mapping[str, Any]) -> Iterator[Cue]:
    stream = next(s for s in container.streams.subtitles if s.index == index)
    clock = Clock(stream.time_base or Fraction(1, 1000), probe["origin_us"])
    for packet in packets(container, stream, joins=joins_of(probe)):
        if packet.size and packet.pts is not None:
            text = "\n".join(_texts(packet))
            yield Cue(clock.ms(packet.pts), clock.ms(packet.pts + (packet.duration or 0)), text)


def _texts(packet: Packet[Any]) -> Iterator[str]:
    try:
        found = packet.decode()
    except av.error.FFmpegError:
        return
    for subtitle in found:
        if isinstance(subtitle, AssSubtitle):
            raw = subtitle.dialogue.decode("utf-8", "replace")
            yield plain(raw, angles=False) or ""
