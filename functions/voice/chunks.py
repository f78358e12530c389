"""The chunk plan for what listens to speech: stretches of speech, cut where the silences are longest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from functions.voice.detector import BLOCK_MS, Track
from functions.voice.segments import Segment

MAX_CHUNKS = 64
GROWTH = 1.25
MARGIN_MS = 200
"""Silence kept around a chunk's speech, where there is as much."""
QUIET_BLOCKS = 5
"""A cut through unbroken speech looks for the least power over 160 ms."""


@dataclass(frozen=True)
class Extent:
    """A chunk spans at least ``min_ms`` where it may, and at most ``max_ms`` wherever a silence or a quiet point lets it.

    A silence of ``gap_ms`` always cuts: a recogniser that works on windows of 30 s would spend one on it.
    """

    min_ms: int
    max_ms: int
    gap_ms: int

    def grown(self) -> Extent:
        return Extent(round(self.min_ms * GROWTH), round(self.max_ms * GROWTH), round(self.gap_ms * GROWTH))


def plan(track: Track, segments: Sequence[Segment], extent: Extent) -> list[tuple[int, int]]:
    """[start_ms, end_ms) of at most MAX_CHUNKS chunks in time order; they hold all speech, and empty for none.

    Cuts lie in silence. Only unbroken speech longer than ``extent.max_ms`` is cut inside, where it is quietest.
    """
    while len(chunks := _chunks(_pieces(track, segments, extent), extent)) > MAX_CHUNKS:
        extent = extent.grown()
    return _with_margins(chunks, track)


def _pieces(track: Track, segments: Sequence[Segment], extent: Extent) -> list[tuple[int, int]]:
    """The segments, those too long cut at their quietest points."""
    pieces: list[tuple[int, int]] = []
    for segment in segments:
        start_ms = segment.start_ms
        while segment.end_ms - start_ms > extent.max_ms:
            # Leaving at least half of the least length behind keeps the last piece from being a crumb.
            latest_ms = min(start_ms + extent.max_ms, segment.end_ms - extent.min_ms // 2)
            cut_ms = _quietest(track, start_ms + extent.min_ms, latest_ms)
            pieces.append((start_ms, cut_ms))
            start_ms = cut_ms
        pieces.append((start_ms, segment.end_ms))
    return pieces


def _quietest(track: Track, from_ms: int, to_ms: int) -> int:
    """The middle of the 160 ms of least power that begin in [from_ms, to_ms]."""
    first, last = ((t - track.start_ms) // BLOCK_MS for t in (from_ms, to_ms))
    power = track.power[first : max(last, first + QUIET_BLOCKS)]
    smooth = np.convolve(power, np.ones(QUIET_BLOCKS), mode="valid")
    return track.time_ms(first + int(np.argmin(smooth)) + QUIET_BLOCKS // 2)


def _chunks(pieces: Sequence[tuple[int, int]], extent: Extent) -> list[tuple[int, int]]:
    """Group neighbouring pieces: each chunk ends at the longest silence that its extent leaves to choose from."""
    chunks: list[tuple[int, int]] = []
    at = 0
    while at < len(pieces):
        last = _last_piece(pieces, at, extent)
        chunks.append((pieces[at][0], pieces[last][1]))
        at = last + 1
    return chunks


def _last_piece(pieces: Sequence[tuple[int, int]], first: int, extent: Extent) -> int:
    """Index of the last piece of the chunk that begins with piece ``first``."""
    best, longest = first, -1
    for i in range(first, len(pieces)):
        span = pieces[i][1] - pieces[first][0]
        if i > first and span > extent.max_ms:
            break
        gap = pieces[i + 1][0] - pieces[i][1] if i + 1 < len(pieces) else extent.gap_ms
        if gap >= extent.gap_ms:
            return i
        if span < extent.min_ms:
            best = i
        elif gap > longest:
            best, longest = i, gap
    return best


def _with_margins(chunks: Sequence[tuple[int, int]], track: Track) -> list[tuple[int, int]]:
    edges = [track.start_ms, *(t for chunk in chunks for t in chunk), track.end_ms]
    widened = []
    for i, (start_ms, end_ms) in enumerate(chunks):
        before = (start_ms - edges[2 * i]) // (2 if i else 1)
        after = (edges[2 * i + 3] - end_ms) // (2 if i + 1 < len(chunks) else 1)
        widened.append((start_ms - min(MARGIN_MS, before), end_ms + min(MARGIN_MS, after)))
    return widened
