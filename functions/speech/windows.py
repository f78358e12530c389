"""Windows: the voiced parts of a chunk strung together, as long as the recogniser hears at once, and the way back in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from kadr.contracts.media import AudioStream

Span = tuple[int, int]
MARGIN_MS = 250
"""Sound kept around a segment of voice; shorter silences than twice this stay whole."""
WINDOW_MS = 28_000
"""Whisper hears 30 s at once; a little room keeps the last word from its edge."""


@dataclass(frozen=True)
class Window:
    """Pieces [start_ms, end_ms) of the timeline, heard as one sound without the silences between them."""

    pieces: tuple[Span, ...]

    @property
    def duration_ms(self) -> int:
        return sum(end - start for start, end in self.pieces)

    @property
    def begins_ms(self) -> list[int]:
        """Where each piece begins in the window, and where the last ends."""
        return [0, *accumulate(end - start for start, end in self.pieces)]

    def samples(self, audio: AudioStream) -> np.ndarray:
        """float32 [N] at AUDIO_RATE."""
        return np.concatenate([audio.read(start, end) for start, end in self.pieces])

    def span(self, start_ms: float, end_ms: float) -> Span:
        """Times in the window as times on the timeline, within the piece that holds most of them."""
        begins = self.begins_ms
        parts = [(max(start_ms, a), min(end_ms, b)) for a, b in pairwise(begins)]
        best = max(range(len(parts)), key=lambda i: parts[i][1] - parts[i][0])
        (start, end), shift = parts[best], self.pieces[best][0] - begins[best]
        first = min(max(round(start + shift), self.pieces[best][0]), self.pieces[best][1])
        return first, min(max(round(end + shift), first), self.pieces[best][1])


def voiced(voice: Sequence[Span], within: Span) -> list[Span]:
    """Segments of voice inside ``within``, in time order."""
    cut = [(max(start, within[0]), min(end, within[1])) for start, end in voice]
    return [(start, end) for start, end in cut if end > start]


def windows(speech: Sequence[Span], within: Span) -> list[Window]:
    """``speech`` with its margins as few windows of at most WINDOW_MS, parted at long silences.

    Speech without a pause that lasts longer makes a longer window: the recogniser then moves on inside it by itself.
    """
    pieces = _with_margins(speech, within)
    made = []
    at = 0
    while at < len(pieces):
        last = _last_piece(pieces, at)
        made.append(Window(tuple(pieces[at : last + 1])))
        at = last + 1
    return made


def _with_margins(speech: Sequence[Span], within: Span) -> list[Span]:
    pieces: list[Span] = []
    for start, end in speech:
        wide = (max(start - MARGIN_MS, within[0]), min(end + MARGIN_MS, within[1]))
        if pieces and wide[0] <= pieces[-1][1]:
            pieces[-1] = (pieces[-1][0], wide[1])
        else:
            pieces.append(wide)
    return pieces


def _last_piece(pieces: Sequence[Span], first: int) -> int:
    """The last piece of the window that begins with ``first``: the longest silence in its second half follows."""
    best, longest = first, -1
    heard = list(accumulate(end - start for start, end in pieces[first:]))
    if heard[-1] <= WINDOW_MS:
        return len(pieces) - 1
    for i, total in enumerate(heard[:-1], start=first):
        if total > WINDOW_MS:
            break
        silence = pieces[i + 1][0] - pieces[i][1]
        if total < WINDOW_MS // 2:
            best = i
        elif silence > longest:
            best, longest = i, silence
    return best
