"""What two runs found differently: words, shots, tracks, texts, scores; added, lost, moved, changed.

Things of one kind are paired so that the pairs agree best (the assignment problem, by SciPy's linear_sum_assignment): only
such of the same label, or of texts that are alike, which overlap in time or lie within NEAR_MS. Words are aligned by their edit
distance (Levenshtein), as for a word error rate. Speakers' names mean nothing across runs: they are paired by when they speak first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein
from scipy.optimize import linear_sum_assignment

Thing = Mapping[str, Any]
Insights = Mapping[str, Any]

MOVED_MS = 120
"""Ends of spans that differ by more have moved: three frames at 25 a second."""
WORD_MOVED_MS = 300
NEAR_MS = 1000
"""Things that do not overlap may still be the same if no more than this lies between them."""
ALIKE = 0.6
"""Similarity (1 is equal) from which two texts may be one that was read differently."""
SCORE = 0.05
"""Scores that differ by more have changed."""


@dataclass(frozen=True)
class Kind:
    """A list of insights.json. ``label``: what must be equal in a pair; ``text``: what must be alike; ``values``: what is
    compared beside."""

    name: str
    label: str | None = None
    text: str | None = None
    values: tuple[str, ...] = ("score",)


KINDS = (
    Kind("shots", values=("kind",)),  # detectors score in ways of their own
    Kind("scenes", values=()),
    Kind("turns", label="speaker"),
    Kind("captions", text="text"),
    Kind("texts", text="text"),
    Kind("objects", label="label"),
    Kind("faces", values=("score", "emotion")),
    Kind("sounds", label="label"),
    Kind("tags", label="label"),
    Kind("quality", label="kind", values=()),
)


@dataclass(frozen=True)
class Pair:
    """One thing as both runs have it. ``moved_ms``: the farther of its ends; ``changed``: what else differs, in words."""

    before: Thing
    after: Thing
    moved_ms: int
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """What became of the things of one kind."""

    kind: str
    same: int = 0
    lost: tuple[Thing, ...] = ()
    added: tuple[Thing, ...] = ()
    moved: tuple[Pair, ...] = ()
    changed: tuple[Pair, ...] = ()

    @property
    def any(self) -> bool:
        return bool(self.lost or self.added or self.moved or self.changed)


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


@dataclass(frozen=True)
class Fact:
    """A single value that differs."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Differences:
    words: Words
    kinds: tuple[Changes, ...]
    facts: tuple[Fact, ...] = field(default=())

    @property
    def any(self) -> bool:
        return bool(self.words.changes or self.words.moved or self.facts or any(k.any for k in self.kinds))


def differences(before: Insights, after: Insights) -> Differences:
    """What ``after`` has otherwise than ``before``: two insights.json, best of one video."""
    names = speakers(before.get("turns", ()), after.get("turns", ()))
    kinds = []
    for kind in KINDS:
        ours, theirs = list(before.get(kind.name, ())), list(after.get(kind.name, ()))
        if kind.label == "speaker":
            ours = [{**t, "speaker": names.get(t["speaker"], f"{t['speaker']} before")} for t in ours]
        kinds.append(changes(kind, ours, theirs))
    return Differences(words(before, after), tuple(kinds), tuple(_facts(before, after)))


# -- things with a span ------------------------------------------------------------------------------------------------


def changes(kind: Kind, before: Sequence[Thing], after: Sequence[Thing]) -> Changes:
    """Pair the things of one kind and say what became of each."""
    pairs = _paired(kind, before, after)
    same, moved, changed = 0, [], []
    for i, j in pairs:
        pair = _pair(kind, before[i], after[j])
        if pair.changed:
            changed.append(pair)
        elif pair.moved_ms > MOVED_MS:
            moved.append(pair)
        else:
            same += 1
    ours, theirs = {i for i, _ in pairs}, {j for _, j in pairs}
    return Changes(
        kind.name,
        same,
        tuple(t for i, t in enumerate(before) if i not in ours),
        tuple(t for j, t in enumerate(after) if j not in theirs),
        tuple(moved),
        tuple(changed),
    )


def _paired(kind: Kind, before: Sequence[Thing], after: Sequence[Thing]) -> list[tuple[int, int]]:
    """Pairs (index before, index after) of the greatest total agreement, solved apart for things that never meet in time."""
    if not before or not after:
        return []
    found = []
    for ours, theirs in _groups(before, after):
        gain = np.array([[_agreement(kind, before[i], after[j]) for j in theirs] for i in ours])
        rows, columns = linear_sum_assignment(gain, maximize=True)
        found += [(ours[r], theirs[c]) for r, c in zip(rows, columns, strict=True) if gain[r, c] > 0]
    return sorted(found)


def _groups(before: Sequence[Thing], after: Sequence[Thing]) -> Iterator[tuple[list[int], list[int]]]:
    """Indices of things whose spans touch within NEAR_MS, directly or through others: long videos fall into many."""
    spans = [(t["start_ms"], t["end_ms"], 0, i) for i, t in enumerate(before)]
    spans += [(t["start_ms"], t["end_ms"], 1, i) for i, t in enumerate(after)]
    group: tuple[list[int], list[int]] = ([], [])
    until = None
    for start, end, side, index in sorted(spans):
        if until is not None and start > until + NEAR_MS:
            if all(group):
                yield group
            group, until = ([], []), None
        group[side].append(index)
        until = end if until is None else max(until, end)
    if all(group):
        yield group


def _agreement(kind: Kind, a: Thing, b: Thing) -> float:
    """0: not the same thing; above, the higher the likelier."""
    if kind.label is not None and a[kind.label] != b[kind.label]:
        return 0.0
    alike = 1.0
    if kind.text is not None:
        alike = Levenshtein.normalized_similarity(_folded(a[kind.text]), _folded(b[kind.text]))
        if alike < ALIKE:
            return 0.0
    overlap = min(a["end_ms"], b["end_ms"]) - max(a["start_ms"], b["start_ms"])
    if overlap < -NEAR_MS:
        return 0.0
    union = max(a["end_ms"], b["end_ms"]) - min(a["start_ms"], b["start_ms"])
    meet = overlap / union if overlap > 0 and union else 0.0
    return 1 + alike + meet - 0.1 * _unlike(kind, a, b)


def _unlike(kind: Kind, a: Thing, b: Thing) -> float:
    """0 to 1 for each of what is compared beside: of several that are equal otherwise, the likest are a pair."""
    pairs = [(a.get(name), b.get(name)) for name in kind.values]
    return sum(
        min(1.0, abs(x - y)) if isinstance(x, float) and isinstance(y, float) else float(x != y)
        for x, y in pairs
    )


def _pair(kind: Kind, a: Thing, b: Thing) -> Pair:
    moved = max(abs(a["start_ms"] - b["start_ms"]), abs(a["end_ms"] - b["end_ms"]))
    changed = []
    if kind.text is not None and _folded(a[kind.text]) != _folded(b[kind.text]):
        changed.append(f"“{a[kind.text]}” → “{b[kind.text]}”")
    for name in kind.values:
        one, two = a.get(name), b.get(name)
        if isinstance(one, float) and isinstance(two, float):
            if abs(one - two) > SCORE:
                changed.append(f"{name} {one:.2f} → {two:.2f}")
        elif one != two:
            changed.append(f"{name} {one} → {two}")
    return Pair(a, b, moved, tuple(changed))


def speakers(before: Sequence[Thing], after: Sequence[Thing]) -> dict[str, str]:
    """The names of ``before``'s speakers among ``after``'s: whoever they speak together with the longest."""
    ours, theirs = sorted({t["speaker"] for t in before}), sorted({t["speaker"] for t in after})
    if not ours or not theirs:
        return {}
    together = np.zeros((len(ours), len(theirs)))
    for a in before:
        for b in after:
            shared = min(a["end_ms"], b["end_ms"]) - max(a["start_ms"], b["start_ms"])
            together[ours.index(a["speaker"]), theirs.index(b["speaker"])] += max(0, shared)
    rows, columns = linear_sum_assignment(together, maximize=True)
    return {ours[r]: theirs[c] for r, c in zip(rows, columns, strict=True) if together[r, c] > 0}


# -- words -------------------------------------------------------------------------------------------------------------


def words(before: Insights, after: Insights) -> Words:
    """Both transcripts aligned word by word; case, accents' encoding and punctuation at the ends do not count."""
    ours, theirs = _words(before), _words(after)
    said_before, said_after = [_plain(w["text"]) for w in ours], [_plain(w["text"]) for w in theirs]
    same = moved = 0
    apart: list[tuple[list[Thing], list[Thing]]] = []
    together = True
    for step in Levenshtein.opcodes(said_before, said_after):
        a, b = ours[step.src_start : step.src_end], theirs[step.dest_start : step.dest_end]
        if step.tag == "equal":
            same += len(a)
            moved += sum(
                abs(x["start_ms"] - y["start_ms"]) > WORD_MOVED_MS for x, y in zip(a, b, strict=True)
            )
        elif together:
            apart.append((a, b))
        else:  # the step before was none of equal words either: one change for a reader
            apart[-1][0].extend(a)
            apart[-1][1].extend(b)
        together = step.tag == "equal"
    return Words(same, moved, len(ours), len(theirs), tuple(_word_change(a, b) for a, b in apart))


def _words(insights: Insights) -> list[Thing]:
    said = (segment["words"] for segment in insights.get("transcript", ()))
    return [{**w, "space": w["space"] or i == 0} for words in said for i, w in enumerate(words)]


def _plain(word: str) -> str:
    folded = _folded(word)
    start = next((i for i, c in enumerate(folded) if c.isalnum()), 0)
    end = next((len(folded) - i for i, c in enumerate(reversed(folded)) if c.isalnum()), len(folded))
    return folded[start:end]


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _word_change(a: Sequence[Thing], b: Sequence[Thing]) -> WordChange:
    both = [*a, *b]
    start, end = min(w["start_ms"] for w in both), max(w["end_ms"] for w in both)
    return WordChange(start, end, _text(a), _text(b))


def _text(said: Sequence[Thing]) -> str:
    return "".join(f"{' ' if w['space'] else ''}{w['text']}" for w in said).strip()


# -- single values -----------------------------------------------------------------------------------------------------


def _facts(before: Insights, after: Insights) -> Iterator[Fact]:
    for name in ("status",):
        if before.get(name) != after.get(name):
            yield Fact(name, before.get(name), after.get(name))
    one, two = (i.get("language") or {} for i in (before, after))
    if one.get("language") != two.get("language"):
        yield Fact("language", one.get("language"), two.get("language"))
    yield from _numbers("loudness", before, after, ("integrated_lufs", "range_lu", "true_peak_dbtp"), 0.1)
    peaks = [
        {p["label"]: p["score"] for p in (i.get("moderation") or {}).get("peaks", ())}
        for i in (before, after)
    ]
    for label in sorted({*peaks[0], *peaks[1]}):
        a, b = peaks[0].get(label), peaks[1].get(label)
        if a is None or b is None or abs(a - b) > SCORE:
            yield Fact(f"moderation {label}", a, b)


def _numbers(
    part: str, before: Insights, after: Insights, names: Sequence[str], tolerance: float
) -> Iterator[Fact]:
    one, two = (i.get(part) or {} for i in (before, after))
    for name in names:
        a, b = one.get(name), two.get(name)
        if a != b and (a is None or b is None or abs(a - b) > tolerance):
            yield Fact(f"{part} {name}", a, b)
