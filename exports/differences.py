"""What two runs found differently: words, shots, tracks, texts, scores; added, lost, moved, changed.

Things that are equal are pairs at once: what did not change is not a change. The others are paired so that the pairs agree best
(the assignment problem, by SciPy): only such of the same label, or of texts that are alike, which overlap in time or lie within
NEAR_MS. Candidates come of a sweep over start times, so that the work grows with the pairs that are near, not with all there could
be. Words are aligned by their edit distance (Levenshtein), as for a word error rate. Speakers' names mean nothing across runs: they
are paired by how long they speak together.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

Thing = Mapping[str, Any]
Insights = Mapping[str, Any]
Array = np.ndarray[Any, Any]

MOVED_MS = 120
"""Ends of spans that differ by more have moved: three frames at 25 a second."""
WORD_MOVED_MS = 300
NEAR_MS = 1000
"""Things that do not overlap may still be the same if no more than this lies between them."""
ALIKE = 0.6
"""Similarity (1 is equal) from which two texts may be one that was read differently."""
SCORE = 0.05
"""Scores that differ by more have changed."""
DENSE = 1_000_000
"""Cells up to which an assignment problem is solved as a full matrix (8 MB): the faster way for small ones."""


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
    """Pairs (index before, index after): the equal ones, and of the others those of the greatest total agreement."""
    pairs = list(_equal(kind, before, after))
    ours = sorted({*range(len(before))} - {i for i, _ in pairs})
    theirs = sorted({*range(len(after))} - {j for _, j in pairs})
    if ours and theirs:
        left, right = [before[i] for i in ours], [after[j] for j in theirs]
        rows, columns = _near(kind, left, right)
        gain = _agreement(kind, left, right, rows, columns)
        fit = gain > 0
        found = _assigned(rows[fit], columns[fit], gain[fit], len(left))
        pairs += [(ours[r], theirs[c]) for r, c in found]
    return sorted(pairs)


def _equal(kind: Kind, before: Sequence[Thing], after: Sequence[Thing]) -> Iterator[tuple[int, int]]:
    waiting = defaultdict[Hashable, list[int]](list)
    for j, thing in enumerate(after):
        waiting[_compared(kind, thing)].append(j)
    for i, thing in enumerate(before):
        if same := waiting.get(_compared(kind, thing)):
            yield i, same.pop()


def _compared(kind: Kind, thing: Thing) -> Hashable:
    """Everything of a thing that is looked at."""
    text = kind.text and _folded(thing[kind.text])
    values = tuple(thing.get(name) for name in kind.values)
    return thing["start_ms"], thing["end_ms"], kind.label and thing[kind.label], text, values


def _near(kind: Kind, left: Sequence[Thing], right: Sequence[Thing]) -> tuple[Array, Array]:
    """Indices of all things of the same label that overlap or lie within NEAR_MS."""
    ours, theirs = _spans(left), _spans(right)
    if kind.label is not None:
        # A stretch of the time axis for each label: those of different ones are never near.
        apart = max(ours.max(), theirs.max()) + 2 * NEAR_MS
        mine, others = _codes([t[kind.label] for t in left], [t[kind.label] for t in right])
        ours, theirs = ours + apart * mine[:, None], theirs + apart * others[:, None]
    return _meeting(ours, theirs, NEAR_MS)


def _spans(things: Sequence[Thing]) -> Array:
    """[start_ms, end_ms] a row."""
    return np.array([(t["start_ms"], t["end_ms"]) for t in things], np.int64)


def _codes(left: Sequence[Hashable], right: Sequence[Hashable]) -> tuple[Array, Array]:
    """A number for each value, the same for equals."""
    known: dict[Hashable, int] = {}
    ours, theirs = ([known.setdefault(v, len(known)) for v in values] for values in (left, right))
    return np.array(ours, np.int64), np.array(theirs, np.int64)


def _meeting(ours: Array, theirs: Array, near_ms: int) -> tuple[Array, Array]:
    """Indices (of ``ours``, of ``theirs``) of all spans with at most ``near_ms`` between them: of two, one begins in the other."""
    rows, columns = _begun_in(ours, theirs, near_ms, "left")
    others, more = _begun_in(theirs, ours, near_ms, "right")
    return np.concatenate([rows, more]), np.concatenate([columns, others])


def _begun_in(
    spans: Array, others: Array, near_ms: int, side: Literal["left", "right"]
) -> tuple[Array, Array]:
    """Indices of spans, and of the others that begin in them or up to ``near_ms`` later; together only if ``side`` is left."""
    order = np.argsort(others[:, 0], kind="stable")
    starts = others[order, 0]
    first = np.searchsorted(starts, spans[:, 0], side)
    counts = np.maximum(np.searchsorted(starts, spans[:, 1] + near_ms, "right") - first, 0)
    rows = np.repeat(np.arange(len(spans)), counts)
    before = np.cumsum(counts) - counts
    return rows, order[np.arange(len(rows)) + np.repeat(first - before, counts)]


def _agreement(
    kind: Kind, left: Sequence[Thing], right: Sequence[Thing], rows: Array, columns: Array
) -> Array:
    """Of each pair: 0 if it is not one thing; above, the higher the likelier."""
    ours, theirs = _spans(left)[rows], _spans(right)[columns]
    overlap = np.minimum(ours[:, 1], theirs[:, 1]) - np.maximum(ours[:, 0], theirs[:, 0])
    union = np.maximum(ours[:, 1], theirs[:, 1]) - np.minimum(ours[:, 0], theirs[:, 0])
    gain: Array = 2 + np.maximum(overlap, 0) / np.maximum(union, 1)
    for name in kind.values:
        gain -= 0.1 * _unlike([t.get(name) for t in left], [t.get(name) for t in right], rows, columns)
    if kind.text is None:
        return gain
    alike = _alike([t[kind.text] for t in left], [t[kind.text] for t in right], rows, columns)
    gain = gain - 1 + alike
    gain[alike < ALIKE] = 0
    return gain


def _unlike(left: Sequence[Any], right: Sequence[Any], rows: Array, columns: Array) -> Array:
    """0 to 1 for what is compared beside: of several that are equal otherwise, the likest are a pair."""
    mine, others = _codes(left, right)
    one, two = (np.array([v if isinstance(v, float) else np.nan for v in side]) for side in (left, right))
    apart: Array = np.minimum(np.abs(one[rows] - two[columns]), 1.0)
    no_numbers = np.isnan(apart)
    apart[no_numbers] = (mine[rows] != others[columns])[no_numbers]
    return apart


def _alike(left: Sequence[str], right: Sequence[str], rows: Array, columns: Array) -> Array:
    """Similarity of the pairs' texts; each two texts are compared once, however often they meet."""
    texts = list(dict.fromkeys(map(_folded, (*left, *right))))
    place = {text: i for i, text in enumerate(texts)}
    one, two = (np.array([place[_folded(t)] for t in side], np.int64) for side in (left, right))
    meetings, which = np.unique(one[rows] * len(texts) + two[columns], return_inverse=True)
    pairs = [divmod(m, len(texts)) for m in meetings.tolist()]
    found = cpdist(
        [texts[a] for a, _ in pairs],
        [texts[b] for _, b in pairs],
        scorer=Levenshtein.normalized_similarity,
        dtype=np.float64,
    )
    return np.asarray(found)[which]


def _assigned(rows: Array, columns: Array, gain: Array, ours: int) -> Iterator[tuple[int, int]]:
    """The pairs of the greatest total gain, each index in one at most; solved apart for those that no candidate joins."""
    if not len(rows):
        return
    size = ours + int(columns.max()) + 1
    graph = coo_array((np.ones(len(rows), np.int8), (rows, ours + columns)), shape=(size, size))
    part = connected_components(graph, directed=False)[1][rows]
    order = np.argsort(part, kind="stable")
    for one in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
        yield from _solved(rows[one], columns[one], gain[one])


def _solved(rows: Array, columns: Array, gain: Array) -> Iterator[tuple[int, int]]:
    ours, i = np.unique(rows, return_inverse=True)
    theirs, j = np.unique(columns, return_inverse=True)
    n, m = len(ours), len(theirs)
    r: Array
    c: Array
    if n * m <= DENSE:
        table = np.zeros((n, m))
        table[i, j] = gain
        r, c = linear_sum_assignment(table, maximize=True)
        matched = table[r, c] > 0
    else:
        # SciPy's sparse solver wants every row matched, by no weight of 0: each has a column of its own for staying alone.
        alone = np.arange(n)
        weights, at = np.append(1 + gain, np.ones(n)), (np.append(i, alone), np.append(j, m + alone))
        graph = coo_array((weights, at), shape=(n, m + n)).tocsr()
        r, c = min_weight_full_bipartite_matching(graph, maximize=True)
        matched = c < m
    yield from zip(ours[r[matched]].tolist(), theirs[c[matched]].tolist(), strict=True)


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
    if not before or not after:
        return {}
    ours, mine = np.unique([t["speaker"] for t in before], return_inverse=True)
    theirs, others = np.unique([t["speaker"] for t in after], return_inverse=True)
    one, two = _spans(before), _spans(after)
    i, j = _meeting(one, two, 0)
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
