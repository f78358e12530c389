"""What two runs found differently: words, shots, tracks, texts, scores; added, lost, moved, changed.

Things are paired first (:mod:`exports.pairing`): what did not change is not a change. Words are aligned by their
edit distance (Levenshtein), as for a word error rate. Speakers' names mean nothing across runs: they are paired by how long they
speak together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein
from scipy.optimize import linear_sum_assignment

from exports.pairing import KINDS, Kind, Thing, folded, meeting, paired, spans

Insights = Mapping[str, Any]
MOVED_MS = 120
"""Ends of spans that differ by more have moved: three frames at 25 a second."""
WORD_MOVED_MS = 300
SCORE = 0.05
"""Scores that differ by more have changed."""
PARTS = {
    "words": "speech",
    **{k.name: k.of for k in KINDS},
    "loudness": "loudness",
    "moderation": "moderation",
}
"""What is compared, and the component that finds it."""
GAVE_UP = ("failed", "blocked")
"""States of a component that found nothing because it could not look."""


@dataclass(frozen=True)
class Pair:
    """One thing as both runs have it. ``moved_ms``: the farther of its ends; ``changed``: what else differs, in words."""

    before: Thing
    after: Thing
    moved_ms: int
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """What became of the things of one kind.

    ``marks``: of each thing of before and of each of after, in their order: same | lost | added | moved | changed.
    """

    kind: str
    same: int = 0
    lost: tuple[Thing, ...] = ()
    added: tuple[Thing, ...] = ()
    moved: tuple[Pair, ...] = ()
    changed: tuple[Pair, ...] = ()
    marks: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

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
class NotAsked:
    """A kind that one run, ``before`` or ``after``, was never asked for; ``found``: how many the other has."""

    kind: str
    run: str
    found: int


@dataclass(frozen=True)
class NotCompared:
    """A kind whose ``component`` failed or was blocked (``state``) in a ``run``: ``before``, ``after`` or ``both``.

    ``found``: how many the other run has.
    """

    kind: str
    component: str
    run: str
    state: str
    found: int


@dataclass(frozen=True)
class Differences:
    """``not_asked``, ``not_compared``: what only one run looked for is no difference, and is in none of the others."""

    words: Words
    kinds: tuple[Changes, ...]
    facts: tuple[Fact, ...] = field(default=())
    not_asked: tuple[NotAsked, ...] = ()
    not_compared: tuple[NotCompared, ...] = ()

    @property
    def any(self) -> bool:
        return bool(self.words.changes or self.words.moved or self.facts or any(k.any for k in self.kinds))


def differences(before: Insights, after: Insights) -> Differences:
    """What ``after`` has otherwise than ``before``: two insights.json, best of one video."""
    not_asked = tuple(_not_asked(before, after))
    gave_up = tuple(_not_compared(before, after, {n.kind for n in not_asked}))
    left_out = {n.kind for n in not_asked} | {n.kind for n in gave_up}
    before, after = (_without(insights, left_out) for insights in (before, after))
    names = speakers(before.get("turns", ()), after.get("turns", ()))
    kinds = []
    for kind in KINDS:
        ours, theirs = list(before.get(kind.name, ())), list(after.get(kind.name, ()))
        if kind.label == "speaker":
            ours = [{**t, "speaker": names.get(t["speaker"], f"{t['speaker']} before")} for t in ours]
        kinds.append(changes(kind, ours, theirs))
    facts = tuple(_facts(before, after))
    return Differences(words(before, after), tuple(kinds), facts, not_asked, gave_up)


def _not_asked(before: Insights, after: Insights) -> Iterator[NotAsked]:
    """What only one of them was asked for; nothing where one does not say what it was asked."""
    asked = [_states(insights) for insights in (before, after)]
    if not all(asked):
        return
    for kind, component in PARTS.items():
        there = [component in names for names in asked]
        if there[0] != there[1]:
            run, other = ("before", after) if there[1] else ("after", before)
            yield NotAsked(kind, run, _count(other, kind))


def _not_compared(before: Insights, after: Insights, not_asked: Set[str]) -> Iterator[NotCompared]:
    """What a run could not look for: that it found none says nothing."""
    states = [_states(insights) for insights in (before, after)]
    for kind, component in PARTS.items():
        gave_up = [s.get(component) in GAVE_UP for s in states]
        if kind in not_asked or not any(gave_up):
            continue
        run = "both" if all(gave_up) else "before" if gave_up[0] else "after"
        found = 0 if run == "both" else _count(after if run == "before" else before, kind)
        yield NotCompared(kind, component, run, states[gave_up.index(True)][component], found)


def _states(insights: Insights) -> dict[str, str]:
    """What became of each component; empty where that is not told."""
    return {c["name"]: c.get("state", "") for c in (insights.get("run") or {}).get("components", ())}


def _count(insights: Insights, kind: str) -> int:
    if kind == "words":
        return len(_words(insights))
    if kind == "moderation":
        return len((insights.get(kind) or {}).get("spans", ()))
    return 0 if kind == "loudness" else len(insights.get(kind) or ())


def _without(insights: Insights, kinds: Set[str]) -> Insights:
    lists = kinds | ({"transcript", "language"} if "words" in kinds else set())
    return {name: value for name, value in insights.items() if name not in lists}


# -- things with a span ------------------------------------------------------------------------------------------------


def changes(kind: Kind, before: Sequence[Thing], after: Sequence[Thing]) -> Changes:
    """Pair the things of one kind and say what became of each."""
    pairs: dict[str, list[Pair]] = {"same": [], "moved": [], "changed": []}
    ours, theirs = ["lost"] * len(before), ["added"] * len(after)
    for i, j in paired(kind, before, after):
        pair = _pair(kind, before[i], after[j])
        what = "changed" if pair.changed else "moved" if pair.moved_ms > MOVED_MS else "same"
        pairs[what].append(pair)
        ours[i] = theirs[j] = what
    return Changes(
        kind.name,
        len(pairs["same"]),
        tuple(t for t, what in zip(before, ours, strict=True) if what == "lost"),
        tuple(t for t, what in zip(after, theirs, strict=True) if what == "added"),
        tuple(pairs["moved"]),
        tuple(pairs["changed"]),
        (tuple(ours), tuple(theirs)),
    )


def _pair(kind: Kind, a: Thing, b: Thing) -> Pair:
    changed = []
    one, two = parts(a), parts(b)
    if len(one) != len(two):
        changed.append(f"{len(one)} → {len(two)} spans")
        one, two = [(a["start_ms"], a["end_ms"])], [(b["start_ms"], b["end_ms"])]
    moved = max(abs(x - y) for s, t in zip(one, two, strict=True) for x, y in zip(s, t, strict=True))
    if kind.text is not None and folded(a[kind.text]) != folded(b[kind.text]):
        changed.append(f"“{a[kind.text]}” → “{b[kind.text]}”")
    for name in kind.values:
        was, now = a.get(name), b.get(name)
        if isinstance(was, float) and isinstance(now, float):
            if abs(was - now) > SCORE:
                changed.append(f"{name} {was:.2f} → {now:.2f}")
        elif was != now:
            changed.append(f"{name} {was} → {now}")
    return Pair(a, b, moved, tuple(changed))


def parts(thing: Thing) -> list[tuple[int, int]]:
    """When a thing is there: its spans, if it has several, or from its start to its end."""
    found = [(int(start), int(end)) for start, end in thing.get("spans", ())]
    return found or [(thing["start_ms"], thing["end_ms"])]


def speakers(before: Sequence[Thing], after: Sequence[Thing]) -> dict[str, str]:
    """The names of ``before``'s speakers among ``after``'s: whoever they speak together with the longest."""
    if not before or not after:
        return {}
    ours, mine = np.unique([t["speaker"] for t in before], return_inverse=True)
    theirs, others = np.unique([t["speaker"] for t in after], return_inverse=True)
    one, two = spans(before), spans(after)
    i, j = meeting(one, two, 0)
    together = np.zeros((len(ours), len(theirs)), np.int64)
    shared = np.minimum(one[i, 1], two[j, 1]) - np.maximum(one[i, 0], two[j, 0])
    np.add.at(together, (mine[i], others[j]), shared)
    rows, columns = linear_sum_assignment(together, maximize=True)
    return {str(ours[r]): str(theirs[c]) for r, c in zip(rows, columns, strict=True) if together[r, c] > 0}


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
