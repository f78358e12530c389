"""Text subtitles, embedded in the video or given beside it, as plain text with times."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av.error
import pysubs2
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.subtitles.subtitle import AssSubtitle

from kadr.contracts.errors import InvalidProfile
from kadr.contracts.media import SourceFile
from kadr.media.clock import MAX_DURATION_MS, Clock
from kadr.media.source import open_container, packets

TEXT_CODECS = frozenset({"subrip", "srt", "mov_text", "webvtt", "ass", "ssa", "text"})
MAX_CUES = 50_000
MAX_CUE_CHARACTERS = 2_000
MAX_CUE_MS = 60_000
"""Cues without a credible end are shown for so long at most."""
_TIMES = re.compile(r"^.*-->", re.MULTILINE)
_SIDECAR_FORMATS = ("srt", "vtt", "ass", "ssa")


@dataclass(frozen=True, order=True)
class Cue:
    start_ms: int
    end_ms: int
    text: str


def embedded_cues(source: SourceFile, probe: Mapping[str, Any], index: int) -> list[Cue]:
    """The cues of subtitle stream ``index``, sorted; at most MAX_CUES. Damaged packets are left out."""
    with open_container(source) as container:
        for stream in container.streams:
            if stream.index != index:
                stream.discard = Discard.all
        return _sorted(_packet_cues(container, index, probe["origin_us"]))


def sidecar_cues(text: str) -> list[Cue]:
    """Cues of an SRT, WebVTT or ASS file given as text, sorted. Raises InvalidProfile when it is none of these."""
    try:
        found = pysubs2.SSAFile.from_string(_normal(text))
    except (pysubs2.exceptions.Pysubs2Error, ValueError) as error:
        raise InvalidProfile(
            f"The captions are neither SRT, WebVTT nor ASS ({error}): check the file"
        ) from error
    if found.format not in _SIDECAR_FORMATS:
        raise InvalidProfile(
            f"Captions in the format {found.format} are not supported: give SRT, WebVTT or ASS"
        )
    return _sorted(Cue(e.start, e.end, e.plaintext) for e in found.events if e.is_text)


def _normal(text: str) -> str:
    """Plain line ends; of WebVTT only the blocks that have times, without identifiers, which pysubs2 takes for text."""
    plain = text.replace("\r\n", "\n").lstrip("\ufeff")
    if not plain.startswith("WEBVTT"):
        return plain
    blocks = [(block, _TIMES.search(block)) for block in re.split(r"\n[ \t]*\n", plain)]
    timed = [block[times.start() :] for block, times in blocks if times]
    return "\n\n".join(["WEBVTT", *timed, ""])


def _packet_cues(container: InputContainer, index: int, origin_us: int) -> Iterator[Cue]:
    stream = next(s for s in container.streams.subtitles if s.index == index)
    clock = Clock(stream.time_base or Fraction(1, 1000), origin_us)
    for packet in packets(container, stream):
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
            yield pysubs2.SSAEvent(text=raw).plaintext


def _sorted(cues: Iterable[Cue]) -> list[Cue]:
    kept: list[Cue] = []
    for cue in cues:
        text = html.unescape(cue.text).strip()[:MAX_CUE_CHARACTERS]
        start = max(0, cue.start_ms)
        if text and start < cue.end_ms and start <= MAX_DURATION_MS:
            kept.append(Cue(start, min(cue.end_ms, start + MAX_CUE_MS), text))
        if len(kept) >= MAX_CUES:
            break
    return sorted(kept)
