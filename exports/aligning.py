"""Two transcripts aligned word by word, by their edit distance (Levenshtein), as for a word error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from exports.looked import Insights, Span, touches, words_of
from exports.pairing import Thing, folded

WORD_MOVED_MS = 300


@dataclass(frozen=True)
class WordChange:
    """A stretch of words that only one run has (the other's is empty), or that they have differently."""

    start_ms: int
    end_ms: int
    before: str
    after: str


@dataclass(frozen=True)
class Words:
    same: int = 0
    moved: int = 0
    """Of the same, those that begin more than WORD_MOVED_MS elsewhere."""
    before: int = 0
    after: int = 0
    changes: tuple[WordChange, ...] = ()
    left_out: int = 0
    """Of both runs, those that are not compared."""


def words(before: Insights, after: Insights, gaps: Sequence[Span] = ()) -> Words:
    """What both said; case, accents' encoding and punctuation at the ends do not count.

    Words within ``gaps`` are not aligned; what is not the same at their borders is in no number but ``left_out``.
    """
    all_ours, all_theirs = words_of(before), words_of(after)
    ours, theirs = ([w for w in said if not _within(w, gaps)] for said in (all_ours, all_theirs))
    said_before, said_after = [_plain(w["text"]) for w in ours], [_plain(w["text"]) for w in theirs]
    same = moved = 0
    apart: list[tuple[list[Thing], list[Thing]]] = []
    together = True
    for step in Levenshtein.opcodes(said_before, said_after):
        a, b = ours[step.src_start : step.src_end], theirs[step.dest_start : step.dest_end]
        if step.tag == "equal":
            same += len(a)
            moved += sum(_moved(x, y, gaps) for x, y in zip(a, b, strict=True))
            together = True
            continue
        one, two = _clear(a, b, gaps)
        if one or two:
            if together:
                apart.append(([], []))
            # The step before was none of equal words either: one change for a reader.
            apart[-1][0].extend(one)
            apart[-1][1].extend(two)
        together = (len(one), len(two)) != (len(a), len(b))
    changes = tuple(_word_change(a, b) for a, b in apart)
    compared = [same + sum(len(pair[side]) for pair in apart) for side in (0, 1)]
    left_out = len(all_ours) + len(all_theirs) - sum(compared)
    return Words(same, moved, compared[0], compared[1], changes, left_out)


def _within(word: Thing, gaps: Sequence[Span]) -> bool:
    middle = (word["start_ms"] + word["end_ms"]) / 2
    return any(start <= middle < end for start, end in gaps)


def _moved(x: Thing, y: Thing, gaps: Sequence[Span]) -> bool:
    apart = abs(x["start_ms"] - y["start_ms"]) > WORD_MOVED_MS
    return apart and not (touches(x, gaps) or touches(y, gaps))


def _clear(a: list[Thing], b: list[Thing], gaps: Sequence[Span]) -> tuple[list[Thing], list[Thing]]:
    """Without those at ``gaps``, and without what such a one stands for."""
    if len(a) != len(b):
        return [w for w in a if not touches(w, gaps)], [w for w in b if not touches(w, gaps)]
    clear = [(x, y) for x, y in zip(a, b, strict=True) if not (touches(x, gaps) or touches(y, gaps))]
    return [x for x, _ in clear], [y for _, y in clear]


def _plain(word: str) -> str:
    bare = folded(word)
    start = next((i for i, c in enumerate(bare) if c.isalnum()), 0)
    end = next((len(bare) - i for i, c in enumerate(reversed(bare)) if c.isalnum()), len(bare))
    return bare[start:end]


def _word_change(a: Sequence[Thing], b: Sequence[Thing]) -> WordChange:
    both = [*a, *b]
    start, end = min(w["start_ms"] for w in both), max(w["end_ms"] for w in both)
    return WordChange(start, end, _text(a), _text(b))


def _text(said: Sequence[Thing]) -> str:
    return "".join(f"{' ' if w['space'] else ''}{w['text']}" for w in said).strip()
