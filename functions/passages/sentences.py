"""Passages from speech: words cut into sentences at punctuation, pauses and changes of speaker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kadr.contracts.artifact import Artifact

ENDINGS = tuple(".!?…。！？؟।")
CLOSERS = "\"'”’»)]}」』"
TITLES = frozenset({"mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "vs.", "e.g.", "i.e."})
UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "km", "yue"})
"""Languages written without spaces between words."""
UNKNOWN = -1


@dataclass(frozen=True)
class Passage:
    """A stretch of text with its time. ``language`` is None where only the text itself can tell."""

    start_ms: int
    end_ms: int
    kind: int
    text: str
    speaker: int = UNKNOWN
    language: str | None = None


@dataclass(frozen=True)
class Word:
    start_ms: int
    end_ms: int
    text: str
    speaker: int
    language: str | None


def sentences(
    speech: Artifact, speakers: Artifact | None, kind: int, pause_ms: int, max_words: int
) -> list[Passage]:
    """Sentences of ``speech``; its segments as they are when it has no words."""
    words = list(_words(speech, speakers))
    if words:
        return [_sentence(group, kind) for group in split(words, pause_ms, max_words)]
    found = zip(
        speech["segment_start_ms"].tolist(),
        speech["segment_end_ms"].tolist(),
        speech.payload.get("segments", []),
        _languages(speech),
        strict=False,
    )
    return [Passage(start, end, kind, text.strip(), UNKNOWN, lang) for start, end, text, lang in found]


def split(words: Sequence[Word], pause_ms: int, max_words: int) -> Iterator[list[Word]]:
    """Cut words where a sentence or a turn ends, where nothing is said for ``pause_ms``, and after ``max_words`` at the latest."""
    group: list[Word] = []
    for i, word in enumerate(words):
        group.append(word)
        following = words[i + 1] if i + 1 < len(words) else None
        if following is None or len(group) >= max_words or _breaks(word, following, pause_ms):
            yield group
            group = []


def _breaks(word: Word, following: Word, pause_ms: int) -> bool:
    if following.speaker != word.speaker or following.start_ms - word.end_ms >= pause_ms:
        return True
    text = word.text.strip().rstrip(CLOSERS)
    if not text.endswith(ENDINGS) or text.casefold() in TITLES:
        return False
    initial = len(text) == 2 and text[0].isupper()
    return not (text.endswith(".") and (initial or following.text.strip()[:1].islower()))


def _sentence(group: Sequence[Word], kind: int) -> Passage:
    language = group[0].language
    spaced = language not in UNSPACED and not any(word.text.startswith(" ") for word in group)
    text = (" " if spaced else "").join(word.text for word in group)
    return Passage(
        group[0].start_ms, group[-1].end_ms, kind, " ".join(text.split()), group[0].speaker, language
    )


def _words(speech: Artifact, speakers: Artifact | None) -> Iterator[Word]:
    texts = speech.payload.get("words", [])
    start, end = speech["word_start_ms"].tolist(), speech["word_end_ms"].tolist()
    languages = _languages(speech)
    segment = np.searchsorted(speech["segment_first_word"], np.arange(len(texts)), side="right") - 1
    speaker = UNKNOWN
    for i, (text, said_by) in enumerate(zip(texts, _word_speakers(speakers, len(texts)), strict=True)):
        speaker = speaker if said_by == UNKNOWN else said_by
        language = languages[segment[i]] if segment[i] < len(languages) else None
        if text.strip():
            yield Word(start[i], end[i], text, speaker, language)


def _word_speakers(speakers: Artifact | None, count: int) -> list[int]:
    """Each word's speaker; all unknown when speakers were told apart for other words than these."""
    if speakers is None or len(speakers["word_speaker"]) != count:
        return [UNKNOWN] * count
    return [int(speaker) for speaker in speakers["word_speaker"]]


def _languages(speech: Artifact) -> list[str | None]:
    """The language of each segment."""
    count = len(speech["segment_start_ms"])
    given = list(speech.payload.get("languages") or [])
    return given if len(given) == count else [speech.payload.get("language")] * count
