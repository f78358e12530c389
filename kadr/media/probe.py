"""What a file holds: container, streams, how long they really are, and where its key frames stand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from kadr.contracts.errors import VideoUnreadable
from kadr.contracts.media import SourceFile
from kadr.media.clock import MAX_ORIGIN_US, Clock, credible_ms
from kadr.media.damage import damage_of, differ, told_of
from kadr.media.geometry import displayed_size, orientation_of, rotation_of
from kadr.media.index import SampleIndex, StreamExtent, scan
from kadr.media.joins import Join, found_joins
from kadr.media.promise import has_header, promised_ms
from kadr.media.several import next_recording
from kadr.media.source import MAX_PIXELS, open_container, packets, video_stream

_HDR_TRANSFERS = (16, 18)
"""PQ (SMPTE ST 2084) and HLG (ARIB STD-B67), by their numbers in ITU-T H.273."""
_FIRST_PACKETS = 250
_PRIMING_US = 200_000
_SEEK_POINTS_MS = 10_000
_MAX_TEXTS, _MAX_TEXT = 200, 500


@dataclass(frozen=True)
class Probed:
    """``facts``: the payload of the component ``probe``; see functions/probe/README.md. ``index``: the sample index."""

    facts: dict[str, Any]
    index: SampleIndex


def probe_source(source: SourceFile) -> Probed:
    """Open ``source`` and read all its packets once, decoding one picture.

    Raises VideoUnreadable when it is no video or audio, holds neither, or its pictures are too large to decode.
    """
    read = _read(source)
    with open_container(source) as container:
        video = None if read.video is None else video_stream(container, read.video)
        facts = _facts(source, container, video, read)
    return Probed(facts | {"size_bytes": source.size}, read.index)


@dataclass(frozen=True)
class _Reading:
    """What one reading of all packets gave. ``video``: the stream chosen; ``origin_us``: the container's time that is 0."""

    video: int | None
    origin_us: int
    index: SampleIndex
    warnings: list[str]


def _read(source: SourceFile) -> _Reading:
    """Of a recording of several parts, over all of them."""
    as_it_is = _scanned(source, ())
    index = as_it_is.index
    if index.restarts and index.may_be_joined:
        joined = _scanned(source, found_joins([e.pieces for e in index.extents.values()]))
        if not joined.index.restarts:
            return joined
    return as_it_is


def _scanned(source: SourceFile, joins: Sequence[Join]) -> _Reading:
    """Starts in headers are guesses: packets may come earlier, and where parts are joined also later."""
    early_us: int | None = None
    while True:
        warnings: list[str] = []
        with open_container(source) as container:
            video = _chosen_video(container, warnings)
            number = None if video is None else video.index
            audio = [s.index for s in _audio(container)]
            if number is None and not audio:
                nothing = "There is neither video nor audio in this file that Kadr can decode"
                raise VideoUnreadable(nothing + _because(warnings))
            origin_us = _start_us(container) + (early_us or 0)
            index = scan(container, number, audio, origin_us, credible_ms(source.size), joins)
        found_us = _earliest_us(index, number)
        if early_us is not None or (found_us >= 0 and not joins):
            return _Reading(number, origin_us, index, warnings)
        early_us = found_us


def _start_us(container: InputContainer) -> int:
    start_us = container.start_time or 0
    return start_us if abs(start_us) < MAX_ORIGIN_US else 0


def _earliest_us(index: SampleIndex, video: int | None) -> int:
    """Negative where packets that are seen or heard come before 0. A little audio before 0 is what decoders drop."""
    starts = {n: e.first_us for n, e in index.extents.items() if e.first_us is not None}
    if index.joins:
        return min((e.pieces.parts[0].first_us for e in index.extents.values() if e.pieces.parts), default=0)
    return min((us for n, us in starts.items() if n == video or us < -_PRIMING_US), default=0)


def _audio(container: InputContainer) -> list[AudioStream]:
    return [s for s in container.streams.audio if s.codec_context is not None]


def _facts(
    source: SourceFile, container: InputContainer, video: VideoStream | None, read: _Reading
) -> dict[str, Any]:
    index, warnings = read.index, read.warnings
    longest_ms = credible_ms(source.size)
    header_ms, found_ms = _lengths_ms(container, index)
    believed_ms = header_ms if 0 <= header_ms <= longest_ms else 0
    promised = promised_ms(source, container, index)
    promised = promised if promised <= longest_ms else 0
    next_at = next_recording(source, container.format.name, index)
    unread = source.size - next_at if next_at and not index.overlaps else None
    joined = {"kind": "joined", "found_ms": found_ms, "unread_bytes": unread} if next_at else None
    streams = _header_facts(container, read, longest_ms)
    declared = _declared(video) if video else None
    first = _first_frame(container, video) if video else None
    video_facts = _video_facts(declared, first, index, longest_ms) if declared else None
    damage = [*damage_of(declared is not None and first is None, index, promised, found_ms, joined)]
    warnings += map(told_of, damage)
    told = any(d["kind"] == "cut_off" for d in damage) or bool(index.joins)
    told = told or not has_header(source, container)
    if header_ms and found_ms is not None and not told and (not believed_ms or differ(found_ms, header_ms)):
        warnings.append(
            f"the header says {header_ms / 1000:.1f} s, but the streams hold {found_ms / 1000:.1f} s"
        )
    shown_ms = believed_ms if found_ms is None else found_ms
    return {
        "container": container.format.name,
        "duration_ms": max(shown_ms, video_facts["end_ms"] if video_facts else 0),
        "origin_us": read.origin_us,
        "video": video_facts,
        **streams,
        "warnings": warnings,
        "damage": damage,
        **_joined(index),
    }


def _header_facts(container: InputContainer, read: _Reading, longest_ms: int) -> dict[str, Any]:
    """To be read before any packet, which may add to it."""
    return {
        "audio": [_audio_facts(s, read.index.extents.get(s.index)) for s in _audio(container)],
        "subtitles": [_stream_facts(s) for s in container.streams.subtitles if s.codec_context is not None],
        "chapters": _chapters(container, read.origin_us, longest_ms),
        "tags": _texts(container.metadata),
        "attached_pictures": sum(_attached(s) for s in container.streams.video),
    }


def _joined(index: SampleIndex) -> dict[str, Any]:
    """Nothing of a file of one piece, so that its facts stay what they were before there were any joins."""
    if not index.joins:
        return {}
    points: list[tuple[int, int]] = []
    for ms, pos in zip(index.key_ms, index.key_pos, strict=True):
        if index.seeks_by_byte and pos >= 0 and (not points or ms >= points[-1][0] + _SEEK_POINTS_MS):
            points.append((ms, pos))
    return {"joins": [[j.pos, j.offset_us] for j in index.joins], "seek_points": [list(p) for p in points]}


def _chosen_video(container: InputContainer, warnings: list[str]) -> VideoStream | None:
    """The stream marked as default, else the largest; cover art does not count."""
    candidates = [s for s in container.streams.video if not _attached(s)]
    for stream in candidates:
        if stream.codec_context is None:
            warnings.append(f"stream {stream.index}: its video codec is not known")
        elif not stream.width or not stream.height:
            limit = MAX_PIXELS // 10**6
            warnings.append(
                f"stream {stream.index}: its pictures are damaged or have more than {limit} million pixels"
            )
    known = [s for s in candidates if s.codec_context is not None and s.width and s.height]
    best = max(known, key=lambda s: (_is(s, Disposition.default), s.width * s.height, -s.index), default=None)
    if best is not None and best.width * best.height > MAX_PIXELS:
        raise VideoUnreadable(
            f"The pictures are {best.width} × {best.height} pixels; Kadr decodes at most {MAX_PIXELS // 10**6} million pixels"
        )
    return best


def _first_frame(container: InputContainer, video: VideoStream) -> VideoFrame | None:
    video.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    for packet in itertools.islice(packets(container, video), _FIRST_PACKETS):
        for frame in _decoded(packet):
            return frame
    return None


def _decoded(packet: Any) -> list[VideoFrame]:
    try:
        return list(packet.decode())
    except av.error.FFmpegError:
        return []


@dataclass(frozen=True)
class _Declared:
    """What the header says of the pictures. ``shape``: of a pixel."""

    index: int
    codec: str
    size: tuple[int, int]
    shape: Fraction | None
    fps: float
    pix_fmt: str | None
    transfer: int


def _declared(video: VideoStream) -> _Declared:
    """To be read before a picture is decoded, which may add to it."""
    return _Declared(
        video.index,
        video.codec_context.name,
        (video.width, video.height),
        video.sample_aspect_ratio,
        float(video.guessed_rate or video.average_rate or Fraction(25)),
        video.pix_fmt,
        video.color_trc,
    )


def _video_facts(
    declared: _Declared, first: VideoFrame | None, index: SampleIndex, longest_ms: int
) -> dict[str, Any]:
    extent = index.extents[declared.index]
    orientation = _orientation(first)
    width, height = (first.width, first.height) if first else declared.size
    upright = displayed_size(width, height, declared.shape, orientation)
    fps = extent.fps or declared.fps
    last = max(extent.end_us, extent.last_us + (0 if extent.end_us > extent.last_us else round(1e6 / fps)))
    end_us = last if extent.first_us is not None else round(extent.packets * 1e6 / fps)
    return {
        "index": declared.index,
        "codec": declared.codec,
        "width": upright[0],
        "height": upright[1],
        "orientation": orientation,
        "rotation": rotation_of(orientation),
        "fps": round(fps, 3),
        "fps_varies": extent.fps_varies,
        "frames": extent.packets,
        "pix_fmt": first.format.name if first else declared.pix_fmt,
        "hdr": (first.color_trc if first else declared.transfer) in _HDR_TRANSFERS,
        "start_ms": max(0, ((extent.first_us or 0) + 500) // 1000),
        "end_ms": min((end_us + 500) // 1000, longest_ms),
        "timed": extent.first_us is not None,
        "corrupt_packets": extent.corrupt,
    }


def _orientation(first: VideoFrame | None) -> int:
    sides: Any = first.side_data if first else ()
    for side in sides:
        if side.type.name == "DISPLAYMATRIX":
            return orientation_of(np.frombuffer(bytes(side), dtype="<i4").tolist())
    return 1


def _audio_facts(stream: Any, extent: StreamExtent | None) -> dict[str, Any]:
    length = 0 if extent is None or extent.first_us is None else extent.end_us - max(0, extent.first_us)
    return _stream_facts(stream) | {
        "default": _is(stream, Disposition.default),
        "rate": stream.rate,
        "channels": stream.channels,
        "start_ms": max(0, ((extent.first_us or 0) + 500) // 1000) if extent else 0,
        "duration_ms": (length + 500) // 1000,
    }


def _stream_facts(stream: Stream) -> dict[str, Any]:
    language = None if stream.language == "und" else stream.language
    return {"index": stream.index, "codec": stream.codec_context.name, "language": language}


def _lengths_ms(container: InputContainer, index: SampleIndex) -> tuple[int, int | None]:
    """What the header says (0: nothing), and what the packets say: None where they have no times."""
    ends = [(e.end_us, e.last_us) for e in index.extents.values() if e.first_us is not None]
    found_ms = -(-max(max(pair) for pair in ends) // 1000) if ends else None
    return (container.duration or 0) // 1000, found_ms


def _chapters(container: InputContainer, origin_us: int, longest_ms: int) -> list[dict[str, Any]]:
    found = []
    for chapter in container.chapters()[:_MAX_TEXTS]:
        clock = Clock(chapter["time_base"] or Fraction(1, 1000), origin_us)
        start_ms, end_ms = clock.ms(chapter["start"]), clock.ms(chapter["end"])
        title = str(chapter["metadata"].get("title", ""))[:_MAX_TEXT]
        if max(abs(start_ms), abs(end_ms)) <= longest_ms:
            found.append({"start_ms": start_ms, "end_ms": end_ms, "title": title})
    return found


def _texts(metadata: dict[str, str]) -> dict[str, str]:
    return {str(k)[:_MAX_TEXT]: str(v)[:_MAX_TEXT] for k, v in itertools.islice(metadata.items(), _MAX_TEXTS)}


def _attached(stream: Stream) -> bool:
    return _is(stream, Disposition.attached_pic) or _is(stream, Disposition.timed_thumbnails)


def _is(stream: Stream, flag: Disposition) -> bool:
    return bool(stream.disposition & flag)


def _because(warnings: list[str]) -> str:
    return ": " + "; ".join(warnings) if warnings else ""
