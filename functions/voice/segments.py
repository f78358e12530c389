"""From probabilities to segments of speech: hysteresis, least durations and padding, as the detector's makers describe them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from functions.voice.detector import BLOCK_MS, Track


@dataclass(frozen=True)
class Rules:
    """Speech begins at ``threshold`` and ends after ``min_silence_ms`` in which it stays below ``release``."""

    threshold: float
    release: float
    min_speech_ms: int
    min_silence_ms: int
    pad_ms: int


@dataclass(frozen=True)
class Segment:
    """Speech in [start_ms, end_ms); ``score`` is the mean probability inside."""

    start_ms: int
    end_ms: int
    score: float


def find_segments(track: Track, rules: Rules) -> list[Segment]:
    """Segments of speech in time order, padded; the silence between two is never padded past its middle."""
    spans = [
        (first, last)
        for first, last in _active(track.speech, rules)
        if (last - first) * BLOCK_MS >= rules.min_speech_ms
    ]
    found = []
    for i, (first, last) in enumerate(spans):
        before = spans[i - 1][1] if i else 0
        after = spans[i + 1][0] if i + 1 < len(spans) else len(track.speech)
        start_ms = track.time_ms(first) - _room(rules.pad_ms, first - before, i == 0)
        end_ms = track.time_ms(last) + _room(rules.pad_ms, after - last, i + 1 == len(spans))
        score = float(track.speech[first:last].mean())
        found.append(Segment(start_ms, min(end_ms, track.end_ms), score))
    return found


def _room(pad_ms: int, blocks: int, edge: bool) -> int:
    return min(pad_ms, blocks * BLOCK_MS if edge else blocks * BLOCK_MS // 2)


def _active(speech: np.ndarray, rules: Rules) -> list[tuple[int, int]]:
    """[first, last) blocks of each run of speech by Schmitt trigger, pauses shorter than ``min_silence_ms`` bridged."""
    loud, quiet = speech >= rules.threshold, speech < rules.release
    patience = -(-rules.min_silence_ms // BLOCK_MS)
    spans: list[tuple[int, int]] = []
    at = 0
    onsets = np.flatnonzero(loud)
    while (found := np.searchsorted(onsets, at)) < len(onsets):
        first = int(onsets[found])
        last, at = _end_of_run(loud, quiet, first, patience)
        spans.append((first, last))
    return spans


def _end_of_run(loud: np.ndarray, quiet: np.ndarray, first: int, patience: int) -> tuple[int, int]:
    """(end of the speech that begins at ``first``, where to look for the next)."""
    pause: int | None = None
    for i in range(first, len(loud)):
        if loud[i]:
            pause = None
        elif quiet[i] and pause is None:
            pause = i
        if pause is not None and i - pause + 1 >= patience:
            return pause, i + 1
    return (len(loud) if pause is None else pause), len(loud)
