"""One chunk from sound to segments: heard in windows, written down, and heard again where nothing was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from functions.speech.languages import in_one_language
from functions.speech.listener import Heard, hear, most_said, told, write
from functions.speech.windows import Span, Window, windows
from functions.speech.words import Segment, in_order, placed
from kadr.contracts.media import AudioStream

MISSED_MS = 1_000
MISSED_SHARE = 0.2
"""A segment of voice this long with words on less than this share of it is heard a second time, by itself."""

SURE_IN_DOUBT = 0.6
"""Score that a segment needs when the model doubts that anyone speaks: noise is written down with about 0.5."""


Part = tuple[Window, Heard]


@dataclass(frozen=True)
class Ear:
    """The model (a faster_whisper.WhisperModel) and what to listen for. ``language`` None: detect it."""

    native: Any
    language: str | None
    hotwords: str | None
    beam: int
    no_speech: float
    min_score: float


def listen(ear: Ear, audio: AudioStream, said: Sequence[Span], within: Span) -> list[Segment]:
    """Segments in time order of the voice ``said`` in the chunk ``within``.

    Whisper ends a window sometimes for no reason; the second hearing finds the rest.
    """
    first = _heard(ear, audio, windows(said, within))
    most = _most(first)
    parted = _parted(ear, audio, first, most)
    most = _most(parted)
    found = _written(ear, parted, said, most)
    missed = unwritten(said, found)
    # The same window would only give the same again.
    before = [window for window, _ in parted]
    second = _heard(ear, audio, [window for window in windows(missed, within) if window not in before])
    again = (_only(s, missed) for s in _written(ear, _parted(ear, audio, second, most), missed, most))
    return in_order([*found, *(segment for segment in again if segment.words)])


def unwritten(said: Sequence[Span], found: Sequence[Segment]) -> list[Span]:
    """The segments of voice that the words of ``found`` leave bare."""
    words = [word for segment in found for word in segment.words]

    def bare(span: Span) -> bool:
        covered = sum(max(0, min(w.end_ms, span[1]) - max(w.start_ms, span[0])) for w in words)
        return span[1] - span[0] >= MISSED_MS and covered < MISSED_SHARE * (span[1] - span[0])

    return [span for span in said if bare(span)]


def _heard(ear: Ear, audio: AudioStream, every: Sequence[Window]) -> list[Part]:
    return [(window, hear(ear.native, window.samples(audio), ear.language)) for window in every]


def _most(every: Sequence[Part]) -> str:
    """The language of most of the chunk."""
    return most_said([one for _, one in every], [window.duration_ms for window, _ in every])


def _parted(ear: Ear, audio: AudioStream, every: Sequence[Part], most: str) -> list[Part]:
    """All windows, those in which the language changes parted there."""
    return [part for window, one in every for part in in_one_language(ear.native, audio, window, one, most)]


def _written(ear: Ear, every: Sequence[Part], said: Sequence[Span], most: str) -> list[Segment]:
    """Each is written down in its language."""
    found = []
    for window, one in every:
        language = told(one, most)[0]
        sure = one.languages[language]
        raw = write(ear.native, one, language, hotwords=ear.hotwords, beam=ear.beam, no_speech=ear.no_speech)
        found += [placed(r, window, said, language, sure) for r in raw]
    return [segment for segment in found if segment.words and _believed(segment, ear)]


def _believed(segment: Segment, ear: Ear) -> bool:
    return segment.score >= (SURE_IN_DOUBT if segment.no_speech > ear.no_speech else ear.min_score)


def _only(segment: Segment, spans: Sequence[Span]) -> Segment:
    """``segment`` without the words that lie outside ``spans``: those beside them were written before."""
    words = [w for w in segment.words if any(w.start_ms < b and a < w.end_ms for a, b in spans)]
    return replace(segment, words=tuple(words))
