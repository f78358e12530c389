"""What two runs found differently: words, shots, tracks, texts, scores; added, lost, moved, changed.

Things are paired first (:mod:`exports.pairing`): what did not change is not a change. Words are aligned (:mod:`exports.aligning`).
Speakers' names mean nothing across runs: they are paired by how long they speak together. What a run could not look for, or not
there, is not compared (:mod:`exports.looked`); nor what lies beyond the stretch that both looked at (:mod:`exports.reach`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from exports.aligning import Words, words
from exports.looked import (
    PARTS,
    WHOLE,
    Insights,
    NotAsked,
    NotCompared,
    Span,
    asked_of_both,
    joined,
    not_asked,
    not_compared,
    parts,
    touches,
    without,
)
from exports.pairing import KINDS, Kind, Thing, folded, meeting, paired, spans
from exports.reach import Stretch, stretch

MOVED_MS = 120
"""Ends of spans that differ by more have moved: three frames at 25 a second."""
SCORE = 0.05
"""Scores that differ by more have changed."""


@dataclass(frozen=True)
class Pair:
    """One thing as both runs have it. ``moved_ms``: the farther of its ends; ``changed``: what else differs, in words."""

    before: Thing
    after: Thing
    moved_ms: int
    changed: tuple[str, ...]

    @property
    def moved(self) -> bool:
        """Whether it is elsewhere; where it has more or fewer spans, that is what changed."""
        return self.moved_ms > MOVED_MS and len(parts(self.before)) == len(parts(self.after))


@dataclass(frozen=True)
class Changes:
    """What became of the things of one kind: one that moved and changed is among both.

    ``marks``: of each thing of before and of each of after, in their order: same | lost | added | moved | changed (and
    perhaps moved), or open: ``left_out`` were not compared, because one of the runs could not look there.
    """

    kind: str
    same: int = 0
    lost: tuple[Thing, ...] = ()
    added: tuple[Thing, ...] = ()
    moved: tuple[Pair, ...] = ()
    changed: tuple[Pair, ...] = ()
    left_out: int = 0
    marks: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def any(self) -> bool:
        return bool(self.lost or self.added or self.moved or self.changed)


@dataclass(frozen=True)
class Fact:
    """A single value that differs."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Differences:
    """``not_asked``, ``not_compared``: what only one run looked for is no difference, and is in none of the others.

    ``stretch``: where both looked, if one looked beyond the other. ``compared``: the kinds that both looked for somewhere.
    """

    words: Words
    kinds: tuple[Changes, ...]
    facts: tuple[Fact, ...] = field(default=())
    not_asked: tuple[NotAsked, ...] = ()
    not_compared: tuple[NotCompared, ...] = ()
    stretch: Stretch | None = None
    compared: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing of what they were asked could be compared."""
        return not self.compared and bool(self.not_asked or self.not_compared or self.stretch)

    @property
    def any(self) -> bool:
        return bool(self.words.changes or self.words.moved or self.facts or any(k.any for k in self.kinds))


def differences(before: Insights, after: Insights) -> Differences:
    """What ``after`` has otherwise than ``before``: two insights.json, best of one video."""
    unasked = tuple(not_asked(before, after))
    unsure = tuple(not_compared(before, after, PARTS.keys() - {n.kind for n in unasked}))
    own = {n.kind: n.gaps for n in unsure if n.gaps and n.kind not in WHOLE}
    left_out = {n.kind for n in unasked} | {n.kind for n in unsure} - own.keys()
    both = stretch(before, after)
    of_all = [k for k in WHOLE if both and k not in left_out and (before.get(k) or after.get(k))]
    nowhere = PARTS if both and both.empty else {*left_out, *of_all}
    compared = tuple(kind for kind in asked_of_both(before, after) if kind not in nowhere)
    left_out.update(of_all, ["language"] if both else [])
    before, after = (without(insights, left_out) for insights in (before, after))
    beyond = both.gaps if both else ()
    said, kinds = _compared(before, after, own, beyond)
    counts = _left_out(said, kinds)
    for_part = _left_out(*_compared(before, after, {}, beyond)) if own and beyond else counts if both else {}
    if both:
        found = {k: n for k, n in for_part.items() if n}
        both = replace(both, left_out={**found, **dict.fromkeys(of_all, 0)})
    rest = {k: max(0, n - for_part.get(k, 0)) for k, n in counts.items()}
    unsure = tuple(replace(n, found=rest[n.kind]) if n.kind in own else n for n in unsure)
    return Differences(said, kinds, tuple(_facts(before, after)), unasked, unsure, both, compared)


def _compared(
    before: Insights, after: Insights, own: Mapping[str, Sequence[Span]], beyond: Sequence[Span]
) -> tuple[Words, tuple[Changes, ...]]:
    """``own``: gaps of some kinds; ``beyond``: of all."""
    names = speakers(before.get("turns", ()), after.get("turns", ()))
    gaps = {kind: tuple(joined((*own.get(kind, ()), *beyond))) for kind in PARTS}
    kinds = []
    for kind in KINDS:
        ours, theirs = list(before.get(kind.name, ())), list(after.get(kind.name, ()))
        if kind.label == "speaker":
            ours = [{**t, "speaker": names.get(t["speaker"], f"{t['speaker']} before")} for t in ours]
        kinds.append(changes(kind, ours, theirs, gaps[kind.name]))
    return words(before, after, gaps["words"]), tuple(kinds)


def _left_out(said: Words, kinds: Sequence[Changes]) -> dict[str, int]:
    return {"words": said.left_out, **{k.kind: k.left_out for k in kinds}}


# -- things with a span ------------------------------------------------------------------------------------------------


def changes(
    kind: Kind, before: Sequence[Thing], after: Sequence[Thing], gaps: Sequence[Span] = ()
) -> Changes:
    """Pair the things of one kind and say what became of each; what touches ``gaps`` is the same, or nobody knows."""
    pairs: dict[str, list[Pair]] = {"same": [], "moved": [], "changed": [], "open": []}
    ours = ["open" if touches(t, gaps) else "lost" for t in before]
    theirs = ["open" if touches(t, gaps) else "added" for t in after]
    for i, j in paired(kind, before, after):
        pair = _pair(kind, before[i], after[j])
        what = "changed" if pair.changed else "moved" if pair.moved else "same"
        if what != "same" and "open" in (ours[i], theirs[j]):
            what = "open"
        pairs[what].append(pair)
        ours[i] = theirs[j] = what
    return Changes(
        kind.name,
        len(pairs["same"]),
        tuple(t for t, what in zip(before, ours, strict=True) if what == "lost"),
        tuple(t for t, what in zip(after, theirs, strict=True) if what == "added"),
        tuple(p for p in (*pairs["moved"], *pairs["changed"]) if p.moved),
        tuple(pairs["changed"]),
        ours.count("open") + theirs.count("open") - len(pairs["open"]),
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
