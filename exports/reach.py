"""The stretch of time in which both of two runs looked: beyond it one was not asked, or its file is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exports.looked import Insights, Span, joined

ENDS_THERE = ("cut_off", "stopped")
"""Kinds of damage behind which nothing of the file could be read; of joined recordings it is their ``unread_bytes``."""


@dataclass(frozen=True)
class Stretch:
    """From ``start_ms`` to ``end_ms`` of ``of_ms`` is compared, and what lies in the ``gaps`` is not.

    ``left_out``: of each kind how many things; 0 of a value of the whole, which is of another stretch in each run.
    """

    start_ms: int
    end_ms: int
    of_ms: int
    gaps: tuple[Span, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """No moment was looked at by both."""
        return self.end_ms <= self.start_ms


def stretch(before: Insights, after: Insights) -> Stretch | None:
    """None where neither looked beyond the other."""
    one, two = _start(before), _start(after)
    lengths = [_length(i) for i in (before, after)]
    limits = [_limit(i) for i in (before, after)]
    ends = [length if limit is None else limit for limit, length in zip(limits, lengths, strict=True)]
    gaps = [(min(one, two), max(one, two))] if one != two else []
    end = max(ends)
    for limit, other in zip(limits, reversed(ends), strict=True):
        if limit is not None and limit < other:
            gaps.append((limit, other))
            end = limit
    if not gaps:
        return None
    return Stretch(max(one, two), end, max(lengths), tuple(joined(gaps)))


def _length(insights: Insights) -> int:
    return int((insights.get("video") or {}).get("duration_ms") or 0)


def _start(insights: Insights) -> int:
    asked = insights.get("asked") or {}
    start, end = int(asked.get("start_ms") or 0), int(asked.get("end_ms") or 0)
    return start if start < end else 0  # a file of which nothing is known has no parts


def _limit(insights: Insights) -> int | None:
    """Before where it stopped looking; None if at its video's own end."""
    asked, video = insights.get("asked") or {}, insights.get("video") or {}
    length = _length(insights)
    limits = [
        int(d["found_ms"])
        for d in video.get("damage") or ()
        if d.get("found_ms") and (d["kind"] in ENDS_THERE or d.get("unread_bytes"))
    ]
    end = int(asked.get("end_ms") or 0)
    return min([*limits, *([end] if 0 < end < length else [])], default=None)
