"""How fast a video's pictures follow each other, where they do so evenly but for a few."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_REORDERED = 32
"""No codec shows a picture so many pictures later than it is decoded."""
_EVEN_US = 500
_MOST_ODD = 0.01
_FORGIVEN = 10
"""Of so many distances one may be odd, though it is more than a hundredth."""
_MOST_LENGTHS = 1000


@dataclass
class Pace:
    """Distances of pictures as they are shown, from times in any codec's order. Memory does not grow with length.

    ``tick_us``: how exactly times are told; distances that differ by no more are the same.
    """

    tick_us: float
    _waiting: list[int] = field(default_factory=list)
    _shown_us: int | None = None
    _lengths: Counter[int] = field(default_factory=Counter)
    _others: int = 0

    def add(self, us: int) -> None:
        if len(self._waiting) < _REORDERED:
            heapq.heappush(self._waiting, us)
            return
        shown = heapq.heappushpop(self._waiting, us)
        if self._shown_us is not None:
            self._count(shown - self._shown_us)
        self._shown_us = shown

    def _count(self, length: int) -> None:
        if length in self._lengths or len(self._lengths) < _MOST_LENGTHS:
            self._lengths[length] += 1
        else:
            self._others += 1

    @property
    def fps(self) -> float | None:
        """Pictures a second; None where they do not follow each other evenly."""
        lengths = self._lengths + Counter(self._last_lengths())
        every = lengths.total() + self._others
        if not lengths:
            return None
        usual, within = _median(lengths), max(_EVEN_US, self.tick_us) + 1
        even = {length: many for length, many in lengths.items() if abs(length - usual) <= within}
        together, long_us = sum(even.values()), sum(length * many for length, many in even.items())
        odd = every - together
        forgiven = max(_MOST_ODD * every, 1 if every >= _FORGIVEN else 0)
        return together * 1e6 / long_us if odd <= forgiven and long_us > 0 else None

    def _last_lengths(self) -> Iterator[int]:
        before = self._shown_us
        for us in sorted(self._waiting):
            if before is not None:
                yield us - before
            before = us


def _median(counts: Counter[int]) -> int:
    half, reached = counts.total() / 2, 0
    for value in sorted(counts):
        reached += counts[value]
        if reached >= half:
            return value
    raise ValueError("nothing was counted")
