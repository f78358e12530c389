"""Words on the timeline, and guards against what the recogniser invents."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from functions.speech.listener import LOOP_COMPRESSION
from functions.speech.windows import Span, Window

LOOP_PHRASE = 12
LOOP_REPEATS = 3
MIN_WORD_MS = 10


@dataclass(frozen=True)
class Word:
    """``text`` begins with a space where a word begins in writing."""

    text: str
    start_ms: int
    end_ms: int
    score: float


@dataclass(frozen=True)
class Segment:
    """``score``: geometric mean of its tokens' probabilities; ``no_speech``: the model's doubt that anyone speaks."""

    words: tuple[Word, ...]
    score: float
    no_speech: float
    language: str
    language_score: float

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words).strip()


def placed(raw: Any, window: Window, speech: Sequence[Span], language: str, language_score: float) -> Segment:
    """A faster_whisper segment of ``window`` on the timeline; ``speech`` are the segments of voice.

    What Whisper hears in the padding after the window's end is left out, and so are the repeats of a decoding loop.
    """
    words = [_word(w, window, speech) for w in raw.words or () if w.start * 1000 < window.duration_ms]
    if raw.compression_ratio > LOOP_COMPRESSION:
        words = without_loops(words)
    score = math.exp(raw.avg_logprob)
    return Segment(tuple(words), score, float(raw.no_speech_prob), language, language_score)


def _word(raw: Any, window: Window, speech: Sequence[Span]) -> Word:
    """Alignment stretches words over pauses beside them: they are cut to the voice that they overlap most."""
    start, end = window.span(raw.start * 1000, raw.end * 1000)
    overlaps = [(min(end, b) - max(start, a), a, b) for a, b in speech]
    most, a, b = max(overlaps, default=(0, start, end))
    if most > 0:
        start, end = max(start, a), min(end, b)
    return Word(raw.word, start, end, float(raw.probability))


def without_loops(words: Sequence[Word]) -> list[Word]:
    """``words`` with each phrase that stands three or more times in a row kept once."""
    kept: list[Word] = []
    at = 0
    while at < len(words):
        size, times = _loop(words, at)
        kept += words[at : at + size]
        at += size * times
    return kept


def _loop(words: Sequence[Word], at: int) -> tuple[int, int]:
    """(words, times) of the phrase that repeats itself from ``at`` on; (1, 1) when none does."""
    said = [word.text.strip().casefold() for word in words[at:]]
    for size in range(1, min(LOOP_PHRASE, len(said) // LOOP_REPEATS) + 1):
        times = 1
        while said[times * size : (times + 1) * size] == said[:size]:
            times += 1
        if times >= LOOP_REPEATS:
            return size, times
    return 1, 1


def in_order(segments: Iterable[Segment]) -> list[Segment]:
    """``segments`` in time order, with words that never overlap and last at least 10 ms."""
    ordered = []
    at = 0
    for segment in sorted(segments, key=lambda s: s.words[0].start_ms):
        words = []
        for word in segment.words:
            start = max(word.start_ms, at)
            at = max(word.end_ms, start + MIN_WORD_MS)
            words.append(replace(word, start_ms=start, end_ms=at))
        ordered.append(replace(segment, words=tuple(words)))
    return ordered


def arrays_of(segments: Sequence[Segment]) -> dict[str, np.ndarray]:
    """The arrays of the artifact ``speech``."""
    words = [word for segment in segments for word in segment.words]
    first = np.cumsum([0, *(len(s.words) for s in segments)])
    return {
        "segment_start_ms": np.array([s.words[0].start_ms for s in segments], dtype=np.int64),
        "segment_end_ms": np.array([s.words[-1].end_ms for s in segments], dtype=np.int64),
        "segment_first_word": first.astype(np.int64),
        "segment_score": np.array([s.score for s in segments], dtype=np.float32),
        "segment_no_speech": np.array([s.no_speech for s in segments], dtype=np.float32),
        "word_start_ms": np.array([w.start_ms for w in words], dtype=np.int64),
        "word_end_ms": np.array([w.end_ms for w in words], dtype=np.int64),
        "word_score": np.array([w.score for w in words], dtype=np.float32),
    }
