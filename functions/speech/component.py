"""Component ``speech``: what is said, word by word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from functions.speech.chunk import Ear, listen
from functions.speech.windows import voiced
from functions.speech.words import arrays_of
from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Audio, Chunk, Params, Part, Resources, Result, Stage, component
from kadr.contracts.media import AudioStream, ChunkSpan
from kadr.contracts.model import Models
from kadr.craft.languages import NAMES, OTHERWISE


def _score(dim: str, doc: str) -> ArraySpec:
    return ArraySpec(dtype="float32", dims=(dim,), quantum=1e-4, tolerance=0.05, doc=doc)


def _time(dim: str) -> ArraySpec:
    return ArraySpec(dtype="int64", dims=(dim,), unit="ms")


SPEECH = ArtifactSpec(
    name="speech",
    arrays={
        "segment_start_ms": _time("S"),
        "segment_end_ms": _time("S"),
        "segment_first_word": ArraySpec(
            dtype="int64", dims=("S1",), doc="S + 1 long: words [i]:[i + 1] are those of segment i"
        ),
        "segment_score": _score("S", "geometric mean of its tokens' probabilities"),
        "segment_no_speech": _score("S", "the model's doubt that anyone speaks"),
        "word_start_ms": _time("W"),
        "word_end_ms": _time("W"),
        "word_score": _score("W", "mean probability of its tokens"),
    },
    doc="Words in time order, in segments. Payload: language (of most of it, null for none), language_score, languages "
    "and language_scores (of each segment), segments and words (texts; a word begins with a space where one is written), source.",
)


LISTS = ("languages", "language_scores", "segments", "words")


ENGLISH_ONLY = "whisper_tiny_en"


def _known(code: str) -> str:
    if code not in NAMES:
        raise ValueError("Whisper knows no language of that code")
    return code


Language = Annotated[
    str, AfterValidator(_known), Field(json_schema_extra={"enum": [*NAMES], "meant": dict(OTHERWISE)})
]


class SpeechParams(Params):
    """Which model listens, and for what."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"model": {"const": ENGLISH_ONLY}}, "required": ["model"]},
            "then": {
                "properties": {
                    "language": {"enum": ["en", None], "because": f"{ENGLISH_ONLY} knows English only"}
                }
            },
        }
    )

    model: Literal["whisper_base", "whisper_tiny_en"] = "whisper_base"
    language: Language | None = None
    """A code that Whisper knows; None detects it, chunk by chunk."""
    vocabulary: tuple[str, ...] = ()
    """Names and terms to expect."""
    beam: int = Field(1, ge=1, le=10)
    no_speech: float = Field(0.6, ge=0, le=1)
    """What the model doubts more than this to be speech stays only when it is sure of the words."""
    min_score: float = Field(0.2, ge=0, le=1)
    """Segments with a lower score are left out: they are mostly invented."""

    @model_validator(mode="after")
    def _model_knows_language(self) -> SpeechParams:
        if self.model == ENGLISH_ONLY and self.language not in ("en", None):
            raise ValueError(f"{self.model} knows English only, not {self.language!r}")
        return self


def merge_speech(parts: Sequence[Part]) -> Artifact:
    """All chunks' words one after the other; the language is the one in which most is said."""
    of_all = [part.artifact for part in parts]
    names = [name for name in SPEECH.arrays if name != "segment_first_word"]
    arrays = {name: np.concatenate([a[name] for a in of_all]) for name in names}
    counts = [np.diff(a["segment_first_word"]) for a in of_all]
    arrays["segment_first_word"] = np.cumsum([0, *np.concatenate(counts)], dtype=np.int64)
    return _artifact(arrays, {name: [item for a in of_all for item in a.payload[name]] for name in LISTS})


@component(
    "speech",
    version=2,
    stage=Stage.AUDIO,
    scope=Chunk("voice"),
    reads=(Audio(), Result("voice", "voice")),
    makes=SPEECH,
    needs=Resources(cpu=1, memory_mb=450, seconds_per_minute=4.0),
    merge=merge_speech,
    model_params={
        "model": {"whisper_base": ("whisper_base",), "whisper_tiny_en": ("whisper_tiny_en",)},
    },
)
def speech(
    audio: AudioStream, voice: Artifact, params: SpeechParams, models: Models, chunk: ChunkSpan
) -> Artifact:
    """Recognise speech, with the times of words."""
    native = models[params.model].native
    within = (max(chunk.start_ms, audio.start_ms), min(chunk.end_ms, audio.end_ms))
    said = voiced(list(zip(voice["start_ms"].tolist(), voice["end_ms"].tolist(), strict=True)), within)
    hotwords = ", ".join(params.vocabulary) or None
    ear = Ear(native, params.language, hotwords, params.beam, params.no_speech, params.min_score)
    segments = listen(ear, audio, said, within)
    lists: dict[str, list[Any]] = {
        "languages": [s.language for s in segments],
        "language_scores": [round(s.language_score, 4) for s in segments],
        "segments": [s.text for s in segments],
        "words": [w.text for s in segments for w in s.words],
    }
    return _artifact(arrays_of(segments), lists)


def _artifact(arrays: Mapping[str, np.ndarray], lists: Mapping[str, list[Any]]) -> Artifact:
    """With the language of the most time in segments (the first in the alphabet of equals) and how sure they are of it."""
    lasted = (arrays["segment_end_ms"] - arrays["segment_start_ms"]).tolist()
    spoken_ms: Counter[str] = Counter()
    sure: Counter[str] = Counter()
    for ms, language, score in zip(lasted, lists["languages"], lists["language_scores"], strict=True):
        spoken_ms[language] += ms
        sure[language] += ms * score
    most = min(spoken_ms, key=lambda name: (-spoken_ms[name], name), default=None)
    score = round(sure[most] / spoken_ms[most], 4) if most else 0.0
    return Artifact(arrays, {"language": most, "language_score": score, **lists, "source": "model"})
