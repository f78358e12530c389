"""What is clear enough to be named in the first sentences. The lists of the report hold the rest as well, with their scores.

Both limits were taken from labelled material (docs/insights.md), not from what the sentences say of any one video.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from functions.report.insights import Insights
from functions.report.items import ObjectTrack, TextTrack
from functions.report.values import Evidence, Span, Value

TEXT_SCORE = 0.95
"""Of the words of texts that were read with less, one in four is wrong."""
OBJECT_SCORE = 0.5
"""The mean score of a track's detections; of tracks with less, one in five is of another thing than it is taken for."""


class ClearPhrase(Value):
    """A key phrase, and where it is first heard, or read clearly."""

    text: str
    span: Span
    evidence: Evidence


def texts(found: Insights) -> Sequence[TextTrack]:
    return [t for t in found.texts if t.score >= TEXT_SCORE]


def objects(found: Insights) -> Sequence[ObjectTrack]:
    return [t for t in found.objects if t.score >= OBJECT_SCORE]


def phrases(found: Insights) -> Iterator[ClearPhrase]:
    """Key phrases that are said or stand in captions, or each of whose words is in a text that was read clearly."""
    heard = {(p.start_ms, p.end_ms) for p in found.passages if p.kind != "text"}
    read: defaultdict[str, list[Span]] = defaultdict(list)
    for text in texts(found):
        for word in _words(text.text):
            read[word].append((text.start_ms, text.end_ms))

    def clear(phrase: str, span: Span) -> bool:
        return span in heard or all(_within(read[word], span) for word in _words(phrase))

    for keyword in found.keywords:
        first = next((span for span in keyword.spans if clear(keyword.text, span)), None)
        if first is not None:
            yield ClearPhrase(text=keyword.text, span=first, evidence=keyword.evidence)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in re.findall(r"\w+", text)]


def _within(spans: Sequence[Span], span: Span) -> bool:
    return any(span[0] <= start and end <= span[1] for start, end in spans)
