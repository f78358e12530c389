"""WebVTT captions (W3C, https://www.w3.org/TR/webvtt1/) from words: at most two lines of 42 columns, split at word times."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from functions.report.insights import CaptionLine, Segment, Word

COLUMNS = 42
LINES = 2
LONGEST_MS = 6000
PAUSE_MS = 1200
SHORTEST_MS = 700
LOOKAHEAD = 30
CLAUSE_END = (".", "!", "?", "…", ",", ";", ":", "–", "—", "。", "！", "？", "，", "、")
ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


@dataclass(frozen=True)
class Cue:
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None

    @property
    def markup(self) -> str:
        """The cue's text as WebVTT: escaped, with the speaker as its voice."""
        text = "\n".join(line.translate(ESCAPES) for line in self.lines)
        voice = f"<v {' '.join(self.speaker.split()).translate(ESCAPES)}>" if self.speaker else ""
        return voice + text


def cues_of(transcript: Sequence[Segment], captions: Sequence[CaptionLine]) -> tuple[Cue, ...]:
    """Captions from speech; from the file's own captions where nothing was heard."""
    heard = tuple(_lengthened(cue for s in transcript for cue in _segment_cues(s)))
    return heard or tuple(cue for line in captions for cue in _caption_cues(line))


def captions_vtt(cues: Sequence[Cue], language: str | None) -> str:
    head = f"WEBVTT\nKind: captions\nLanguage: {language}" if language else "WEBVTT\nKind: captions"
    blocks = [f"{stamp(c.start_ms)} --> {stamp(c.end_ms)}\n{c.markup}" for c in cues]
    return "\n\n".join([head, "NOTE Made by Kadr", *blocks]) + "\n"


def width(text: str) -> int:
    """Columns that ``text`` takes: wide and fullwidth characters (UAX #11) take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def wrapped(words: Sequence[tuple[str, bool]]) -> tuple[str, ...] | None:
    """``words`` (text, space before) as one line or two of the most even widths; None when they do not fit."""
    whole = _joined(words)
    if width(whole) <= COLUMNS:
        return (whole,)
    pairs = [(_joined(words[:i]), _joined(words[i:])) for i in range(1, len(words))]
    fitting = [p for p in pairs if max(map(width, p)) <= COLUMNS]
    return min(fitting, key=lambda p: abs(width(p[0]) - width(p[1])), default=None)


def _joined(words: Sequence[tuple[str, bool]]) -> str:
    return "".join(f" {text}" if space and i else text for i, (text, space) in enumerate(words))


def _segment_cues(segment: Segment) -> Iterator[Cue]:
    words = [piece for w in segment.words for piece in _pieces(w)]
    pending: list[Word] = []
    for i, word in enumerate(words):
        if pending and _breaks(pending, word, words[i : i + LOOKAHEAD]):
            yield _cue(pending)
            pending = []
        pending.append(word)
    if pending:
        yield _cue(pending)


def _pieces(word: Word) -> Iterator[Word]:
    """A word that no line can hold is cut; its time is shared out by length."""
    text = " ".join(word.text.split())
    if width(text) <= COLUMNS:
        yield word.model_copy(update={"text": text})
        return
    size = COLUMNS // 2
    parts = [text[i : i + size] for i in range(0, len(text), size)]
    step = (word.end_ms - word.start_ms) / len(parts)
    for i, part in enumerate(parts):
        start, end = word.start_ms + round(i * step), word.start_ms + round((i + 1) * step)
        space = word.space and i == 0
        yield word.model_copy(update={"text": part, "start_ms": start, "end_ms": end, "space": space})


def _breaks(pending: Sequence[Word], word: Word, rest: Sequence[Word]) -> bool:
    """Whether ``word``, the first of ``rest``, begins a new cue after ``pending``: where it must, or where a clause ends
    and not all of the rest would fit.
    """
    last = pending[-1]
    if word.speaker != last.speaker or word.start_ms - last.end_ms > PAUSE_MS:
        return True
    if word.end_ms - pending[0].start_ms > LONGEST_MS or not _fits([*pending, word]):
        return True
    clause = last.text.endswith(CLAUSE_END) and width(_text(pending)) > COLUMNS
    return clause and not _fits([*pending, *rest])


def _fits(words: Sequence[Word]) -> bool:
    return wrapped([(w.text, w.space) for w in words]) is not None


def _text(words: Sequence[Word]) -> str:
    return _joined([(w.text, w.space) for w in words])


def _cue(words: Sequence[Word]) -> Cue:
    lines = wrapped([(w.text, w.space) for w in words]) or (_text(words),)
    return Cue(words[0].start_ms, words[-1].end_ms, lines, words[0].speaker)


def _lengthened(cues: Iterable[Cue]) -> Iterator[Cue]:
    """In time order, never overlapping, and each on screen for at least SHORTEST_MS where the next one leaves room."""
    ordered = sorted(cues, key=lambda c: c.start_ms)
    for cue, following in zip_longest(ordered, ordered[1:]):
        end = max(cue.end_ms, cue.start_ms + SHORTEST_MS)
        end = min(end, following.start_ms) if following else end
        if end > cue.start_ms:
            yield Cue(cue.start_ms, end, cue.lines, cue.speaker)


def _caption_cues(line: CaptionLine) -> Iterator[Cue]:
    lines = tuple(" ".join(text.split()) for text in line.text.splitlines() if text.strip())
    if lines and line.end_ms > line.start_ms:
        yield Cue(line.start_ms, line.end_ms, lines)


def stamp(ms: int) -> str:
    hours, rest = divmod(max(0, ms), 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"
