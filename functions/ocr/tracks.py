"""Linking lines of successive frames into text tracks: the same text at the same, or at a steadily moving, place."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from scipy.optimize import linear_sum_assignment

from functions.ocr.boxes import bounds, box_iou
from kadr.craft.spans import Span, extent

GAP_STEPS = 2
"""A track may miss one frame of the grid: detectors flicker."""
MIN_IOU = 0.3
MIN_SIMILARITY = 0.6
SURE = 0.9
"""Readings at least this sure that differ in their digits are different texts ("Step 1", "Step 2")."""
SAME_SIMILARITY = 0.85
"""Sure readings that are less alike are different texts: slides in one pattern, one after the other."""
TAKEN_IOU = 0.5
MIN_MOVING_LENGTH = 4
MAX_SHIFT_HEIGHTS = 12
"""Text moves at most this many of its own heights in a step of the grid."""


@dataclass(frozen=True)
class Lines:
    """Lines in time order. ``t_ms`` int64 [L], ``quads`` float32 [L, 4, 2], ``scores`` float32 [L], one text a line."""

    t_ms: np.ndarray
    quads: np.ndarray
    scores: np.ndarray
    texts: Sequence[str]


@dataclass(frozen=True)
class Tracks:
    """``of_line`` int32 [L]: each line's track; the other fields have one entry a track, sorted by start, then place."""

    of_line: np.ndarray
    start_ms: np.ndarray
    end_ms: np.ndarray
    scores: np.ndarray
    quads: np.ndarray
    texts: list[str]


def build_tracks(lines: Lines, step_ms: int, bounds_ms: Span) -> Tracks:
    """Link ``lines`` and summarise each track.

    A track lasts from the first frame on which it was read to half a step after the last, cut to ``bounds_ms`` (see ``extent``).
    """
    linked = link(lines, max(step_ms, 1))
    groups = _ordered(lines, [text for members in linked for text in told_apart(lines, members)])
    of_line = np.zeros(len(lines.texts), dtype=np.int32)
    for number, members in enumerate(groups):
        of_line[members] = number
    best = [consensus(lines, members) for members in groups]
    times = [extent(int(lines.t_ms[g[0]]), int(lines.t_ms[g[-1]]), step_ms, bounds_ms) for g in groups]
    return Tracks(
        of_line=of_line,
        start_ms=np.array([start for start, _ in times], dtype=np.int64),
        end_ms=np.array([end for _, end in times], dtype=np.int64),
        scores=np.array([score for _, score in best], dtype=np.float32),
        quads=lines.quads[[index for index, _ in best]].reshape(-1, 4, 2),
        texts=[lines.texts[index] for index, _ in best],
    )


def told_apart(lines: Lines, members: Sequence[int]) -> list[list[int]]:
    """One track's lines, cut where another text begins: at a sure reading unlike the last sure one, and like the next.

    What is unlike both, as in the middle of a dissolve, is a misreading.
    """
    sure = [i for i in members if lines.scores[i] >= SURE]
    begins = []
    known = sure[:1]
    for index, after in pairwise(sure):
        if _same(lines, known[-1], index):
            known.append(index)
        elif _same(lines, index, after):
            begins.append(index)
            known.append(index)
    return [list(group) for group in np.split(members, np.searchsorted(members, begins))]


def _same(lines: Lines, a: int, b: int) -> bool:
    """Are two readings of one text? One may hold the other: a text grows, or something covers its end."""
    one, other = _plain(lines.texts[a]), _plain(lines.texts[b])
    return one in other or other in one or Levenshtein.normalized_similarity(one, other) >= SAME_SIMILARITY


def consensus(lines: Lines, members: Sequence[int]) -> tuple[int, float]:
    """The track's text by a vote of its readings, each weighted by its score.

    Returns the index of the winning text's best line and the mean score of all lines that read it.
    """
    voters: dict[str, list[int]] = defaultdict(list)
    for index in members:
        voters[lines.texts[index]].append(index)
    votes = {text: sum(float(lines.scores[i]) for i in indices) for text, indices in voters.items()}
    winner = max(voters, key=lambda text: (votes[text], len(text), text))
    best = max(voters[winner], key=lambda i: (float(lines.scores[i]), -i))
    return best, votes[winner] / len(voters[winner])


@dataclass(eq=False)
class _Open:
    """A track that may go on: its lines so far and how it moved in its last step (pixels a ms)."""

    members: list[int]
    velocity: np.ndarray

    def extend(self, index: int, boxes: np.ndarray, t_ms: np.ndarray) -> None:
        before = self.members[-1]
        move = (boxes[index] - boxes[before]).reshape(2, 2).mean(axis=0)
        self.velocity = move / float(t_ms[index] - t_ms[before])
        self.members.append(index)


def link(lines: Lines, step_ms: int) -> list[list[int]]:
    """Groups of line indices, one a track, by optimal assignment from frame to frame (Kuhn 1955)."""
    boxes = bounds(lines.quads)
    tracks: list[_Open] = []
    going: list[_Open] = []
    for t_ms, current in _frames(lines.t_ms):
        going = [o for o in going if t_ms - lines.t_ms[o.members[-1]] <= GAP_STEPS * step_ms]
        going, opened = _advance(lines, boxes, going, current)
        going += opened
        tracks += opened
    return [o.members for o in tracks]


def _advance(
    lines: Lines, boxes: np.ndarray, going: list[_Open], current: list[int]
) -> tuple[list[_Open], list[_Open]]:
    """(those of ``going`` that may go on, those that begin) after the frame whose lines are ``current``."""
    last = [o.members[-1] for o in going]
    affinity = _affinity(lines, boxes, going, current)
    rows, columns = linear_sum_assignment(affinity, maximize=True)
    pairs = {int(c): going[r] for r, c in zip(rows, columns, strict=True) if affinity[r, c] > 0}
    for column, track in pairs.items():
        track.extend(current[column], boxes, lines.t_ms)
    taken = box_iou(boxes[last], boxes[current]).max(axis=1) >= TAKEN_IOU
    grown = set(map(id, pairs.values()))
    kept = [o for o, gone in zip(going, taken, strict=True) if id(o) in grown or not gone]
    return kept, [_Open([i], np.zeros(2)) for column, i in enumerate(current) if column not in pairs]


def _affinity(lines: Lines, boxes: np.ndarray, going: list[_Open], current: list[int]) -> np.ndarray:
    """How well tracks and lines fit, [tracks, lines]; 0 where they do not, in place or in text."""
    last = [o.members[-1] for o in going]
    likeness = similarity(lines, last, current)
    elapsed = (lines.t_ms[current[0]] - lines.t_ms[last])[:, None]
    shifts = [np.zeros((len(last), 2)), elapsed * np.reshape([o.velocity for o in going], (-1, 2))]
    shifts += [np.repeat(move[None], len(last), axis=0) for move in _shifts(lines, boxes, last, current)]
    place = np.max([box_iou(boxes[last] + np.tile(s, 2), boxes[current]) for s in shifts], axis=0)
    return np.asarray(np.where((place >= MIN_IOU) & (likeness >= MIN_SIMILARITY), place + likeness, 0.0))


def similarity(lines: Lines, a: Sequence[int], b: Sequence[int]) -> np.ndarray:
    """Normalised Levenshtein similarity of texts, [A, B] in 0–1, blind to case, spaces and punctuation."""
    plain_a, plain_b = ([_plain(lines.texts[i]) for i in group] for group in (a, b))
    result = cdist(plain_a, plain_b, scorer=Levenshtein.normalized_similarity).reshape(len(a), len(b))
    digits_a, digits_b = (
        np.array([re.sub(r"\D", "", text) for text in group], dtype=object) for group in (plain_a, plain_b)
    )
    sure = np.logical_and.outer(lines.scores[list(a)] >= SURE, lines.scores[list(b)] >= SURE)
    return np.asarray(np.where(sure & np.not_equal.outer(digits_a, digits_b), 0.0, result))


def _shifts(lines: Lines, boxes: np.ndarray, last: list[int], current: list[int]) -> list[np.ndarray]:
    """Candidate movements of scrolling text: where unmistakable texts (one of a kind in both frames) went, [2] each."""
    before, now = _unique(lines, last), _unique(lines, current)
    found = []
    for text in sorted(before.keys() & now.keys()):
        old, new = boxes[before[text]], boxes[now[text]]
        height = float(old[3] - old[1])
        move = (new - old).reshape(2, 2).mean(axis=0)
        if height / 2 < np.abs(move).max() <= MAX_SHIFT_HEIGHTS * height and np.abs(move).min() <= height / 2:
            found.append(move)
    return found


def _unique(lines: Lines, indices: list[int]) -> dict[str, int]:
    texts = {i: _plain(lines.texts[i]) for i in indices}
    counts = Counter(texts.values())
    return {text: i for i, text in texts.items() if counts[text] == 1 and len(text) >= MIN_MOVING_LENGTH}


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _frames(t_ms: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    for t in np.unique(t_ms):
        yield int(t), np.flatnonzero(t_ms == t).tolist()


def _ordered(lines: Lines, groups: list[list[int]]) -> list[list[int]]:
    def key(members: list[int]) -> tuple[int, float, float, int]:
        left, top = lines.quads[members[0]].min(axis=0).tolist()
        return int(lines.t_ms[members[0]]), top, left, members[0]

    return sorted(groups, key=key)
