"""What insights.json says was found: things with a time, and what they add up to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from functions.report.values import Evidence, Item, Span, Value

Box = tuple[float, float, float, float]
Point = tuple[float, float]


class Scene(Item):
    index: int
    shots: tuple[int, ...]


class Shot(Item):
    index: int
    scene: int
    kind: Literal["start", "cut", "gradual"] = Field(description="How the shot begins.")
    score: float


class KeyFrame(Item):
    shot: int


class Word(Value):
    """A word of its segment. ``index`` is its place among the words of the segment's result."""

    start_ms: int
    end_ms: int
    text: str
    space: bool = Field(description="Whether a space stands before the word.")
    score: float
    speaker: str | None = None
    index: int


class Segment(Item):
    text: str
    score: float
    no_speech: float
    language: str | None = None
    speaker: str | None = Field(default=None, description="Who says most of its words.")
    words: tuple[Word, ...]


class Turn(Item):
    speaker: str
    score: float


class Speaker(Value):
    name: str
    speech_ms: int = Field(description="Length of the speaker's turns, with the pauses within them.")
    turns: int


class CaptionLine(Item):
    text: str
    source: str


class Sound(Item):
    label: str
    score: float


class Loudness(Value):
    """EBU R128 facts of the whole sound."""

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None
    silence: tuple[Span, ...]
    evidence: Evidence


class TextTrack(Item):
    text: str
    score: float
    quad: tuple[Point, Point, Point, Point]


class ObjectTrack(Item):
    label: str
    score: float
    detections: int
    best_ms: int | None = Field(default=None, description="When its most certain detection is.")
    best_box: Box | None = None


class FaceTrack(Item):
    score: float
    detections: int
    best_ms: int | None = None
    best_box: Box | None = None
    emotion: str | None = Field(
        default=None, description="The strongest of ``emotions``; null when they were not read."
    )
    emotions: dict[str, float] = Field(default={})


class Tag(Item):
    """A label among the best five of some sampled frames; start_ms and end_ms enclose its spans."""

    label: str
    score: float
    seen_ms: int
    spans: tuple[Span, ...]


class ModerationSpan(Item):
    label: str
    score: float


class ModerationPeak(Value):
    label: str
    score: float
    at_ms: int


class Moderation(Value):
    """Scores are reported and never acted on."""

    threshold: float | None = Field(
        default=None, description="The score, smoothed, from which a label makes a span."
    )
    peaks: tuple[ModerationPeak, ...]
    spans: tuple[ModerationSpan, ...]
    evidence: Evidence


class QualitySpan(Item):
    kind: str


class Passage(Item):
    kind: str
    text: str
    language: str | None = None
    speaker: str | None = None
    sentiment: float | None = Field(
        default=None, description="-1 to 1; null where it is not known for the language."
    )


class Keyword(Value):
    text: str
    score: float
    spans: tuple[Span, ...]
    evidence: Evidence


class OtherItem(Item):
    """Something with a time in a result that the report knows nothing about; ``end_ms`` is ``start_ms`` for a moment."""

    text: str = Field(description="Its label or text; empty where the result has none.")
    facts: dict[str, JsonValue] = Field(default={})


class Series(Value):
    """Values over time, summed up; the values themselves are in the result."""

    name: str
    points: int
    least: float
    mean: float
    most: float


class Other(Value):
    """What a component found that somebody added, as far as its shape tells: docs/insights.md has the rules."""

    component: str
    items: tuple[OtherItem, ...]
    items_in_all: int
    series: tuple[Series, ...]
    values: dict[str, JsonValue] = Field(description="What has no time: the rest of the payload.")
    arrays: dict[str, str] = Field(description="What is neither: dtype and shape of the other arrays.")
    evidence: Evidence


class Language(Value):
    language: str
    score: float | None = None
    evidence: Evidence
