"""insights.json: the stable, documented form of everything a run found. docs/insights.md explains it to people.

Times are integer milliseconds on the video's timeline, spans are [start_ms, end_ms). Scores run from 0 to 1. Boxes are pixels of
the upright source picture. Minor versions only add fields: readers ignore what they do not know.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from functions.report.about import Asked, CaptionsFrom, Missing, Run, Video
from functions.report.items import (
    CaptionLine,
    FaceTrack,
    KeyFrame,
    Keyword,
    Language,
    Loudness,
    Moderation,
    ObjectTrack,
    Other,
    Passage,
    QualitySpan,
    Scene,
    Segment,
    Shot,
    Sound,
    Speaker,
    Tag,
    TextTrack,
    Turn,
)
from functions.report.values import Evidence, Value

MAJOR = 1
MINOR = 2


class Phrase(Value):
    """A piece of a sentence; with ``start_ms`` it points at a moment, with ``target`` at a part of the report."""

    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    target: (
        Literal["missing", "made", "frames", "transcript", "texts", "objects", "sound", "marks"] | None
    ) = None
    evidence: Evidence | None = None


class Sentence(Value):
    """``kind``: what is wrong and what to do, what the run was not asked about, or what was found."""

    kind: Literal["problem", "part", "found"] = "found"
    phrases: tuple[Phrase, ...]

    @property
    def text(self) -> str:
        return "".join(p.text for p in self.phrases)


class Insights(Value):
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
    captions_from: CaptionsFrom | None
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
