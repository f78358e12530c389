"""Which things of two runs are the same ones.

Things that are equal are pairs at once. The others are paired so that the pairs agree best (the assignment problem, by SciPy):
only such of the same label, or of texts that are alike, which overlap in time or lie within NEAR_MS. Candidates come of a sweep over
start times, so that the work grows with the pairs that are near, not with all there could be. Where so many lie at one time that
there are more than CROWDED candidates, the best pairs are taken one after the other instead, a block of candidates at a time:
pairs that are good each, though not always those of the greatest agreement in sum.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

Thing = Mapping[str, Any]
Array = np.ndarray[Any, Any]

NEAR_MS = 1000
"""Things that do not overlap may still be the same if no more than this lies between them."""
ALIKE = 0.6
"""Similarity (1 is equal) from which two texts may be one that was read differently."""
DENSE = 1_000_000
"""Cells up to which an assignment problem is solved as a full matrix (8 MB): the faster way for small ones."""

CROWDED = 2_000_000
"""Candidates up to which the best assignment is looked for: of 1,400 things that all overlap (2 s, 0.4 GB). Its work grows by
the third power of their number, that of taking the best ones by the second, and its memory not at all."""
STRETCH = 100_000
"""Candidates from the best down that are looked at before those are dropped of which one has its pair."""


@dataclass(frozen=True)
class Kind:
    """A list of insights.json. ``label``: what must be equal in a pair; ``text``: what must be alike; ``values``: what is
    compared beside; ``of``: the component that finds it."""

    name: str
    of: str
    label: str | None = None
    text: str | None = None
    values: tuple[str, ...] = ("score",)


KINDS = (
    Kind("shots", "shots", values=("kind",)),  # detectors score in ways of their own
    Kind("scenes", "shots", values=()),
    Kind("turns", "speakers", label="speaker"),
    Kind("captions", "captions", text="text"),
    Kind("texts", "ocr", text="text"),
    Kind("objects", "objects", label="label"),
    Kind("faces", "faces", values=("score", "emotion")),
    Kind("sounds", "sounds", label="label"),
    Kind("tags", "tags", label="label"),
    Kind("quality", "quality", label="kind", values=()),
)


def paired(kind: Kind, before: Sequence[Thing], after: Sequence[Thing]) -> list[tuple[int, int]]:
    """Pairs (index before, index after): the equal ones, and of the others those of the greatest total agreement."""
    pairs = list(_equal(kind, before, after))
    ours = sorted({*range(len(before))} - {i for i, _ in pairs})
    theirs = sorted({*range(len(after))} - {j for _, j in pairs})
    if ours and theirs:
        left, right = [before[i] for i in ours], [after[j] for j in theirs]
        blocks = _blocks(_near_each(*_stretched(kind, left, right)))
        found = _crowded(kind, left, right, blocks) if len(blocks) > 1 else _best(kind, left, right)
        pairs += [(ours[r], theirs[c]) for r, c in found]
    return sorted(pairs)


def _best(kind: Kind, left: Sequence[Thing], right: Sequence[Thing]) -> Iterator[tuple[int, int]]:
    rows, columns, gain = _candidates(kind, left, right)
    return _assigned(rows, columns, gain, len(left))


def _crowded(
    kind: Kind, left: Sequence[Thing], right: Sequence[Thing], blocks: Sequence[range]
) -> Iterator[tuple[int, int]]:
    """The best pairs of each block of ``left``, best first, with what the blocks before have left of ``right``."""
    free = list(range(len(right)))
    for block in blocks:
        rows, columns, gain = _candidates(kind, [left[i] for i in block], [right[j] for j in free])
        taken = list(_best_first(rows, columns, gain))
        yield from ((block[r], free[c]) for r, c in taken)
        gone = {c for _, c in taken}
        free = [j for c, j in enumerate(free) if c not in gone]
        if not free:
            return


def _best_first(rows: Array, columns: Array, gain: Array) -> Iterator[tuple[int, int]]:
    if not len(rows):
        return
    order = np.argsort(-gain, kind="stable")
    alone, others = np.ones(rows.max() + 1, bool), np.ones(columns.max() + 1, bool)
    for first in range(0, len(order), STRETCH):
        some = order[first : first + STRETCH]
        some = some[alone[rows[some]] & others[columns[some]]]
        for r, c in zip(rows[some].tolist(), columns[some].tolist(), strict=True):
            if alone[r] and others[c]:
                alone[r] = others[c] = False
                yield r, c


def _equal(kind: Kind, before: Sequence[Thing], after: Sequence[Thing]) -> Iterator[tuple[int, int]]:
    waiting = defaultdict[Hashable, list[int]](list)
    for j, thing in reversed([*enumerate(after)]):  # of equals, the first are a pair
        waiting[_compared(kind, thing)].append(j)
    for i, thing in enumerate(before):
        if same := waiting.get(_compared(kind, thing)):
            yield i, same.pop()


def _compared(kind: Kind, thing: Thing) -> Hashable:
    """Everything of a thing that is looked at."""
    text = kind.text and folded(thing[kind.text])
    values = tuple(thing.get(name) for name in kind.values)
    return thing["start_ms"], thing["end_ms"], kind.label and thing[kind.label], text, values


def _candidates(kind: Kind, left: Sequence[Thing], right: Sequence[Thing]) -> tuple[Array, Array, Array]:
    """Indices of all that may be one thing, and how well each two agree."""
    rows, columns = meeting(*_stretched(kind, left, right), NEAR_MS)
    gain = _agreement(kind, left, right, rows, columns)
    fit = gain > 0
    return rows[fit], columns[fit], gain[fit]


def _stretched(kind: Kind, left: Sequence[Thing], right: Sequence[Thing]) -> tuple[Array, Array]:
    """Spans of all, on a stretch of the time axis for each label: those of different ones are never near."""
    ours, theirs = spans(left), spans(right)
    if kind.label is None:
        return ours, theirs
    apart = max(ours.max(), theirs.max()) + 2 * NEAR_MS
    mine, others = _codes([t[kind.label] for t in left], [t[kind.label] for t in right])
    return ours + apart * mine[:, None], theirs + apart * others[:, None]


def _near_each(ours: Array, theirs: Array) -> Array:
    """How many of ``theirs`` each of ``ours`` is near: those that have begun by its end, less those that are over before it."""
    begun = np.searchsorted(np.sort(theirs[:, 0]), ours[:, 1] + NEAR_MS, "right")
    over = np.searchsorted(np.sort(theirs[:, 1]), ours[:, 0] - NEAR_MS, "left")
    return np.asarray(begun - over)


def _blocks(counts: Array) -> list[range]:
    """Neighbours with at most CROWDED candidates together, or one alone that has more."""
    found, first, many = [], 0, 0
    for i, count in enumerate(counts.tolist()):
        if many + count > CROWDED and i > first:
            found.append(range(first, i))
            first, many = i, 0
        many += count
    return [*found, range(first, len(counts))]


def spans(things: Sequence[Thing]) -> Array:
    """[start_ms, end_ms] a row."""
    return np.array([(t["start_ms"], t["end_ms"]) for t in things], np.int64)


def _codes(left: Sequence[Hashable], right: Sequence[Hashable]) -> tuple[Array, Array]:
    """A number for each value, the same for equals."""
    known: dict[Hashable, int] = {}
    ours, theirs = ([known.setdefault(v, len(known)) for v in values] for values in (left, right))
    return np.array(ours, np.int64), np.array(theirs, np.int64)


def meeting(ours: Array, theirs: Array, near_ms: int) -> tuple[Array, Array]:
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
    ours, theirs = spans(left)[rows], spans(right)[columns]
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
    texts = list(dict.fromkeys(map(folded, (*left, *right))))
    place = {text: i for i, text in enumerate(texts)}
    one, two = (np.array([place[folded(t)] for t in side], np.int64) for side in (left, right))
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


def folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
