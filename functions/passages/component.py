"""Component ``passages``: what is said and shown as sentences, with meaning, language, sentiment and keywords."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from functions.passages.blocks import blocks
from functions.passages.embedding import MODEL, WIDTH, Embedder
from functions.passages.keywords import candidates, choose, contains, tokens
from functions.passages.language import Languages, Sentiment
from functions.passages.sentences import UNSPACED, Passage, sentences
from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Params, Resources, Result, Stage, Whole, component
from kadr.contracts.model import Models

KINDS = ["speech", "text", "caption"]
SPEECH, TEXT, CAPTION = range(3)

PASSAGES = ArtifactSpec(
    name="passages",
    arrays={
        "start_ms": ArraySpec(dtype="int64", dims=("P",), unit="ms"),
        "end_ms": ArraySpec(dtype="int64", dims=("P",), unit="ms"),
        "kind": ArraySpec(dtype="int32", dims=("P",), doc="index into payload kinds"),
        "embedding": ArraySpec(
            dtype="float16",
            dims=("P", WIDTH),
            tolerance=2e-3,
            doc="of unit length: a dot product is a cosine",
        ),
        "sentiment": ArraySpec(
            dtype="float32",
            dims=("P",),
            quantum=1e-4,
            doc="-1 to 1; 0 where payload sentiment_known is false",
        ),
        "speaker": ArraySpec(
            dtype="int32", dims=("P",), doc="index into the speakers' payload; -1 is unknown"
        ),
    },
    timeline="P",
    doc="Sentences of speech, blocks of on-screen text, captions: in order of time. Texts and keywords are in the payload.",
)


class PassageParams(Params):
    """Where sentences end, and how many keywords to name."""

    pause_ms: int = Field(default=1000, ge=0)
    """A silence this long ends a sentence."""
    max_words: int = Field(default=60, ge=1)
    keywords: int = Field(default=15, ge=0)
    min_letters: int = Field(default=20, ge=1)
    """Texts with fewer letters (counted in UTF-8 bytes: a Chinese one is three) are taken to be in the speech's language."""


@component(
    "passages",
    version=1,
    stage=Stage.TEXT,
    scope=Whole(),
    reads=[
        Result("speech", optional=True),
        Result("ocr", optional=True),
        Result("speakers", optional=True),
        Result("captions", optional=True),
    ],
    makes=PASSAGES,
    models=[MODEL],
    needs=Resources(cpu=1, memory_mb=300, seconds_per_minute=0.1),
)
def passages(
    speech: Artifact | None,
    ocr: Artifact | None,
    speakers: Artifact | None,
    captions: Artifact | None,
    params: PassageParams,
    models: Models,
) -> Artifact:
    """Turn speech, on-screen text and captions into passages that can be searched by meaning."""
    found = _found(speech, ocr, speakers, captions, params)
    spoken = speech.payload.get("language") if speech else None
    language_of = Languages(params.min_letters)
    languages = [p.language or language_of.of(p.text, spoken) for p in found]
    main = spoken or _most_common(found, languages)
    languages = [language or main for language in languages]
    sentiment = Sentiment()
    feelings = [sentiment.of(p.text, language) for p, language in zip(found, languages, strict=True)]
    embedder = Embedder(models)
    embedding = embedder.embed([p.text for p in found])
    payload: dict[str, Any] = {
        "texts": [p.text for p in found],
        "languages": languages,
        "sentiment_known": [value is not None for value in feelings],
        "keywords": _keywords(found, languages, embedding, embedder, params.keywords),
        "kinds": KINDS,
        "language": main,
    }
    arrays: dict[str, np.ndarray] = {
        "start_ms": np.array([p.start_ms for p in found], dtype=np.int64),
        "end_ms": np.array([p.end_ms for p in found], dtype=np.int64),
        "kind": np.array([p.kind for p in found], dtype=np.int32),
        "embedding": embedding.astype(np.float16),
        "sentiment": np.array([value or 0.0 for value in feelings], dtype=np.float32),
        "speaker": np.array([p.speaker for p in found], dtype=np.int32),
    }
    return Artifact(arrays, payload)


def _found(
    speech: Artifact | None,
    ocr: Artifact | None,
    speakers: Artifact | None,
    captions: Artifact | None,
    params: PassageParams,
) -> list[Passage]:
    """All passages that have text, by time, then kind."""
    found = sentences(speech, speakers, SPEECH, params.pause_ms, params.max_words) if speech else []
    found += blocks(ocr, TEXT) if ocr else []
    found += _captions(captions) if captions else []
    with_text = [p for p in found if p.text]
    return sorted(with_text, key=lambda p: (p.start_ms, p.kind, p.end_ms, p.text))


def _captions(captions: Artifact) -> list[Passage]:
    times = zip(captions["start_ms"].tolist(), captions["end_ms"].tolist(), strict=True)
    texts = captions.payload.get("text", [])
    return [
        Passage(start, end, CAPTION, " ".join(text.split()))
        for (start, end), text in zip(times, texts, strict=True)
    ]


def _most_common(found: Sequence[Passage], languages: Sequence[str | None]) -> str | None:
    """The language with the most text."""
    letters: Counter[str] = Counter()
    for passage, language in zip(found, languages, strict=True):
        if language:
            letters[language] += len(passage.text)
    return min(letters, key=lambda name: (-letters[name], name)) if letters else None


def _keywords(
    found: Sequence[Passage],
    languages: Sequence[str | None],
    embedding: np.ndarray,
    embedder: Embedder,
    count: int,
) -> list[dict[str, Any]]:
    """Keywords of the video with the spans of the passages that hold them. None for languages without word spaces."""
    spaced = [i for i, language in enumerate(languages) if language not in UNSPACED]
    if not spaced or not count:
        return []
    document = embedding[spaced].mean(axis=0)
    document /= max(float(np.linalg.norm(document)), 1e-9)
    phrases = candidates([found[i].text for i in spaced], {languages[i] or "en" for i in spaced})
    words = [(found[i], tokens(found[i].text)) for i in spaced]
    return [
        {
            "text": " ".join(phrase),
            "score": score,
            "spans": [[p.start_ms, p.end_ms] for p, said in words if contains(said, phrase)],
        }
        for phrase, score in choose(phrases, document, embedder.embed, count)
    ]
