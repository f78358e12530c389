"""Captions from words: at most two lines, cut where speech pauses and clauses end, on screen long enough to be read.

Limits are those of the Netflix Timed Text Style Guide (General Requirements): 42 columns, two lines, 5/6 s to 7 s, 20 columns
a second. Words are never left out: speech that is faster than one can read is shown as long as the next caption allows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, zip_longest

COLUMNS = 42
SHORTEST_MS, LONGEST_MS = 833, 7000
COLUMNS_PER_S = 20
PAUSE_MS = 1200
"""A silence over this begins a new caption."""
SENTENCE_END = tuple(".!?…。！？؟۔।")
CLAUSE_END = (*SENTENCE_END, *",;:–—，、；：،؛")
NO_TEXT = ("Cc", "Cs")
"""Unicode's categories of controls and of lone surrogates, which no file can hold."""
JOINED = ("Mn", "Mc", "Me", "Cf")
"""Categories that take no column of their own: marks and joiners."""
CUE_COST, CLAUSE_COST, WORD_COST, SCANT_COST, SCANT = 6, 2, 10, 6, 20
"""What a caption costs; what it costs more to end it at a clause or after just any word; to have fewer columns than SCANT."""
CLAUSE_BONUS = 15
"""Columns of unevenness that a line may have for ending with a clause."""


@dataclass(frozen=True)
class Said:
    """A word; ``space`` says whether a space stands before it."""

    start_ms: int
    end_ms: int
    text: str
    space: bool = True
    speaker: str | None = None


@dataclass(frozen=True)
class Cue:
    """Lines of plain text; ``start_ms`` < ``end_ms``."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None


def cues(segments: Iterable[Sequence[Said]], limit_ms: int | None = None) -> tuple[Cue, ...]:
    """Captions of all ``segments`` in order of time; none is drawn out beyond ``limit_ms``, the video's end."""
    cut = [cue for words in segments for run in _runs(_whole(words)) for cue in _cut(run)]
    return tuple(_timed(sorted(cut, key=lambda c: c.start_ms), limit_ms))


def plain(text: str) -> str:
    """``text`` in one line without controls: white space of every kind is one space."""
    return " ".join("".join(c for c in text if c.isspace() or unicodedata.category(c) not in NO_TEXT).split())


def width(text: str) -> int:
    """Columns that ``text`` takes: wide and fullwidth characters (UAX #11) take two, marks none."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text if not _joins(c))


def filled(text: str) -> tuple[str, ...]:
    """``text`` in as many lines of COLUMNS as it takes."""
    lines = [""]
    for word in _whole(Said(0, 0, w) for w in text.split()):
        longer = f"{lines[-1]}{' ' if word.space and lines[-1] else ''}{word.text}"
        lines = [*lines[:-1], longer] if width(longer) <= COLUMNS else [*lines, word.text]
    return tuple(line for line in lines if line)


def _joins(char: str) -> bool:
    return unicodedata.category(char) in JOINED


def _whole(words: Iterable[Said]) -> Iterator[Said]:
    """Words without controls; one that no line can hold is cut, its time shared out by length."""
    for word in words:
        text = plain(word.text)
        pieces = list(_pieces(text)) if width(text) > COLUMNS else [text] if text else []
        step = (word.end_ms - word.start_ms) / max(1, len(pieces))
        for i, piece in enumerate(pieces):
            start, end = (word.start_ms + round(n * step) for n in (i, i + 1))
            yield Said(start, end, piece, word.space and i == 0, word.speaker)


def _pieces(text: str) -> Iterator[str]:
    """``text`` in pieces of at most COLUMNS, no mark torn from its letter."""
    piece = ""
    for char in text:
        if piece and not _joins(char) and width(piece) + width(char) > COLUMNS:
            yield piece
            piece = ""
        piece += char
    yield piece


def _runs(words: Iterable[Said]) -> Iterator[list[Said]]:
    """Words of one speaker without a pause."""
    run: list[Said] = []
    for word in words:
        if run and (word.speaker != run[-1].speaker or word.start_ms - run[-1].end_ms > PAUSE_MS):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _cut(run: Sequence[Said]) -> Iterator[Cue]:
    """``run`` as captions of the least cost in all, by dynamic programming over the words they begin with."""
    ends = _line_ends(run)
    best: list[tuple[float, int]] = [(0.0, 0)] * (len(run) + 1)
    for i in reversed(range(len(run))):
        last = len(run) if ends[i] == len(run) else ends[ends[i]]
        reach = (j for j in range(i + 1, last + 1) if j == i + 1 or _length(run, i, j) <= LONGEST_MS)
        best[i] = min((_cost(run, i, j) + best[j][0], j) for j in reach)
    i = 0
    while i < len(run):
        i, j = best[i][1], i
        words = run[j:i]
        yield Cue(words[0].start_ms, words[-1].end_ms, _lines(words), words[0].speaker)


def _length(run: Sequence[Said], i: int, j: int) -> int:
    return run[j - 1].end_ms - run[i].start_ms


def _line_ends(run: Sequence[Said]) -> list[int]:
    """For each word the one after the last that fits in a line beginning with it."""
    reached = [0, *accumulate(width(w.text) + w.space for w in run)]
    ends, j = [], 0
    for i, word in enumerate(run):
        while j < len(run) and reached[j + 1] - reached[i] - word.space <= COLUMNS:
            j += 1
        ends.append(j)
    return ends


def _cost(run: Sequence[Said], i: int, j: int) -> float:
    """Of the caption of the words [i, j)."""
    text = run[j - 1].text
    ended = 0 if j == len(run) or text.endswith(SENTENCE_END) else CLAUSE_COST
    ended = ended if j == len(run) or text.endswith(CLAUSE_END) else WORD_COST
    columns = sum(width(w.text) + 1 for w in run[i : min(j, i + SCANT)])
    return CUE_COST + ended + SCANT_COST * max(0.0, 1 - columns / SCANT)


def _lines(words: Sequence[Said]) -> tuple[str, ...]:
    """One line if it is enough, else two of like width, the first ended by a clause where that costs little."""
    whole = _text(words)
    if width(whole) <= COLUMNS:
        return (whole,)
    pairs = [(_text(words[:i]), _text(words[i:])) for i in range(1, len(words))]
    return min((p for p in pairs if max(map(width, p)) <= COLUMNS), key=_unevenness)


def _unevenness(pair: tuple[str, str]) -> int:
    upper, lower = pair
    return abs(width(upper) - width(lower)) - (CLAUSE_BONUS if upper.endswith(CLAUSE_END) else 0)


def _text(words: Sequence[Said]) -> str:
    return "".join(f" {w.text}" if w.space and i else w.text for i, w in enumerate(words))


def _timed(ordered: Sequence[Cue], limit_ms: int | None) -> Iterator[Cue]:
    """Each on screen for as long as it takes to read, where the next one and the video's end leave room."""
    for cue, following in zip_longest(ordered, ordered[1:]):
        reading_ms = sum(map(width, cue.lines)) * 1000 // COLUMNS_PER_S
        wished = cue.start_ms + min(LONGEST_MS, max(SHORTEST_MS, reading_ms))
        end = max(cue.end_ms, wished if limit_ms is None else min(wished, limit_ms))
        if following is not None and following.start_ms > cue.start_ms:
            end = min(end, following.start_ms)
        yield replace(cue, end_ms=max(end, cue.start_ms + 1))
