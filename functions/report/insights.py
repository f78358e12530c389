"""insights.json: the stable, documented form of everything a run found. docs/insights.md explains it to people.

Times are integer milliseconds on the video's timeline, spans are [start_ms, end_ms). Scores run from 0 to 1. Boxes are pixels of
the upright source picture. Minor versions only add fields: readers ignore what they do not know.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MAJOR = 1
MINOR = 1
Span = tuple[int, int]
Box = tuple[float, float, float, float]
Point = tuple[float, float]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(_Value):
    """The result that an item came from, and the item's place in it."""

    component: str
    key: str = Field(description="Key of the result: what it was computed from.")
    digest: str = Field(description="Digest of the result: what it says.")
    index: int | None = Field(
        default=None, description="Position among the component's items; null: the whole result."
    )


class Item(_Value):
    start_ms: int
    end_ms: int
    evidence: Evidence


class AudioStream(_Value):
    index: int
    codec: str
    rate: int
    channels: int
    language: str | None = None
    duration_ms: int | None = None


class VideoStream(_Value):
    codec: str
    width: int = Field(description="Pixels, upright: after the stored rotation.")
    height: int
    rotation: int = 0
    fps: float | None = None
    frames: int | None = None
    hdr: bool = False


class Chapter(Item):
    title: str


class Video(_Value):
    title: str
    video_id: str = Field(description="SHA-256 of the video's bytes.")
    container: str | None = None
    duration_ms: int
    size_bytes: int | None = None
    picture: VideoStream | None = Field(
        default=None, description="null: the file has no video stream, or was not read."
    )
    sound: tuple[AudioStream, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    warnings: tuple[str, ...] = ()
    evidence: Evidence | None = None


class ModelUsed(_Value):
    name: str
    version: str = ""
    signature: str = ""
    engine: str = ""
    precision: str = ""


class ResultUsed(_Value):
    name: str
    key: str
    digest: str


class ComponentUsed(_Value):
    name: str
    stage: str
    version: int
    state: Literal["succeeded", "partial", "failed", "blocked", "absent"]
    tasks: int = 0
    computed: int = 0
    cached: int = 0
    seconds: float = Field(
        default=0.0, description="Computing time of its tasks, summed; 0 when all were found by key."
    )
    device: str = ""
    models: tuple[ModelUsed, ...] = ()
    results: tuple[ResultUsed, ...] = ()


class Run(_Value):
    run_id: str
    owner: str
    epoch: int
    created_ms: int = Field(description="Admission, in ms since 1970-01-01T00:00Z.")
    config_hash: str
    kadr_version: str
    platform_id: str = ""
    components: tuple[ComponentUsed, ...]


class Asked(_Value):
    """The question: counts, lengths and lists speak of this part of the video and of what was looked for in it."""

    start_ms: int
    end_ms: int
    whole: bool = Field(description="Whether the part is all of the video.")
    profile: str
    narrowed: bool = Field(description="Whether ``--only`` left out some of what the profile would look for.")
    looked_for: tuple[str, ...] = Field(description="What the run's components find, in plain words.")
    left_out: tuple[str, ...] = Field(description="What Kadr can look for and this run was not asked to.")


class Missing(_Value):
    """Something a reader may expect and does not find, why, and what to do about it."""

    components: tuple[str, ...] = Field(description="Those it concerns; none for ``range``: it concerns all.")
    why: Literal["failed", "blocked", "gaps", "damaged", "no_stream", "cancelled", "range"]
    reason: str
    what_to_do: str
    gaps: tuple[Span, ...] = ()
    error_code: str | None = None


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


class Word(_Value):
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


class Speaker(_Value):
    name: str
    speech_ms: int
    turns: int


class CaptionLine(Item):
    text: str
    source: str


class Sound(Item):
    label: str
    score: float


class Loudness(_Value):
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
    emotions: dict[str, float] = {}


class Tag(Item):
    """A label among the best five of some sampled frames; start_ms and end_ms enclose its spans."""

    label: str
    score: float
    seen_ms: int
    spans: tuple[Span, ...]


class ModerationSpan(Item):
    label: str
    score: float


class ModerationPeak(_Value):
    label: str
    score: float
    at_ms: int


class Moderation(_Value):
    """Scores are reported and never acted on."""

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


class Keyword(_Value):
    text: str
    score: float
    spans: tuple[Span, ...]
    evidence: Evidence


class OtherItem(Item):
    """Something with a time in a result that the report knows nothing about; ``end_ms`` is ``start_ms`` for a moment."""

    text: str = Field(description="Its label or text; empty where the result has none.")
    facts: dict[str, JsonValue] = {}


class Series(_Value):
    """Values over time, summed up; the values themselves are in the result."""

    name: str
    points: int
    least: float
    mean: float
    most: float


class Other(_Value):
    """What a component found that somebody added, as far as its shape tells: docs/insights.md has the rules."""

    component: str
    items: tuple[OtherItem, ...]
    items_in_all: int
    series: tuple[Series, ...]
    values: dict[str, JsonValue] = Field(description="What has no time: the rest of the payload.")
    arrays: dict[str, str] = Field(description="What is neither: dtype and shape of the other arrays.")
    evidence: Evidence


class Language(_Value):
    language: str
    score: float | None = None
    evidence: Evidence


class Phrase(_Value):
    """A piece of a sentence; with ``start_ms`` it points at a moment, with ``target`` at a part of the report."""

    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    target: (
        Literal["missing", "made", "frames", "transcript", "texts", "objects", "sound", "marks"] | None
    ) = None
    evidence: Evidence | None = None


class Sentence(_Value):
    """``kind``: what is wrong and what to do, what the run was not asked about, or what was found."""

    kind: Literal["problem", "part", "found"] = "found"
    phrases: tuple[Phrase, ...]

    @property
    def text(self) -> str:
        return "".join(p.text for p in self.phrases)


class Insights(_Value):
    schema_version: str = f"{MAJOR}.{MINOR}"
    status: Literal["complete", "partial", "failed", "cancelled"]
    video: Video
    run: Run
    asked: Asked
    summary: tuple[Sentence, ...]
    missing: tuple[Missing, ...]
    language: Language | None
    scenes: tuple[Scene, ...]
    shots: tuple[Shot, ...]
    key_frames: tuple[KeyFrame, ...]
    transcript: tuple[Segment, ...]
    speakers: tuple[Speaker, ...]
    turns: tuple[Turn, ...]
    captions: tuple[CaptionLine, ...]
    sounds: tuple[Sound, ...]
    loudness: Loudness | None
    texts: tuple[TextTrack, ...]
    objects: tuple[ObjectTrack, ...]
    faces: tuple[FaceTrack, ...]
    tags: tuple[Tag, ...]
    moderation: Moderation | None
    quality: tuple[QualitySpan, ...]
    passages: tuple[Passage, ...]
    keywords: tuple[Keyword, ...]
    others: tuple[Other, ...]


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of insights.json; ``insights.schema.json`` beside this file is its committed form."""
    body = Insights.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:kadr:insights:{MAJOR}"}
    return {**head, **body, "title": "Kadr insights"}


def schema_bytes() -> bytes:
    return (json.dumps(schema(), indent=2, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    Path(__file__).with_name("insights.schema.json").write_bytes(schema_bytes())
