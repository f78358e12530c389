"""Component ``speakers``: who speaks when, as far as voices can be told apart."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from functions.speakers.clustering import Evidence
from functions.speakers.clustering import speakers as find_speakers
from functions.speakers.embedding import Windows, embed
from functions.speakers.turns import Turn, assign, turns, word_speakers
from kadr.contracts.artifact import Arrays, ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Audio, Params, Resources, Result, Stage, Whole, component
from kadr.contracts.media import AudioStream
from kadr.contracts.model import Models

ENCODER = "resemblyzer"
SPEAKERS = ArtifactSpec(
    name="speakers",
    arrays={
        "start_ms": ArraySpec(dtype="int64", dims=("T",), unit="ms"),
        "end_ms": ArraySpec(dtype="int64", dims=("T",), unit="ms"),
        "speaker": ArraySpec(dtype="int32", dims=("T",), doc="index of the turn's speaker"),
        "score": ArraySpec(
            dtype="float32",
            dims=("T",),
            quantum=1e-4,
            tolerance=0.05,
            doc="mean cosine of the turn with its speaker",
        ),
        "word_speaker": ArraySpec(
            dtype="int32", dims=("W",), doc="of each word of speech; -1 when it lies in no turn"
        ),
        "embedding": ArraySpec(dtype="float16", dims=("K", 256), tolerance=0.01, doc="of each speaker"),
    },
    timeline="T",
    doc="Turns in time order; they do not overlap. Payload: speakers (names S1, S2 … in order of appearance).",
)


class SpeakersParams(Params):
    """How many speakers there may be, and what it takes to be one."""

    min_speakers: int = Field(1, ge=1, le=50)
    max_speakers: int = Field(10, ge=1, le=50)
    """The same as ``min_speakers`` when their number is known."""
    similarity: float = Field(0.9, ge=0, le=1)
    """Groups of voices whose means have at least this cosine are one speaker's."""
    min_speaker_ms: int = Field(4_000, ge=0)
    """Less voice than this in all is not taken for a speaker of its own."""
    turn_gap_ms: int = Field(1_000, ge=0)

    @model_validator(mode="after")
    def _least_is_not_more_than_most(self) -> SpeakersParams:
        if self.min_speakers > self.max_speakers:
            raise ValueError(
                f"min_speakers is {self.min_speakers}: set it to at most max_speakers ({self.max_speakers})"
            )
        return self


@component(
    "speakers",
    version=2,
    stage=Stage.AUDIO,
    scope=Whole(),
    reads=(Audio(), Result("voice", "voice"), Result("speech", optional=True)),
    makes=SPEAKERS,
    models=[ENCODER],
    needs=Resources(cpu=1, memory_mb=300, seconds_per_minute=0.6),
)
def speakers(
    audio: AudioStream, voice: Artifact, speech: Artifact | None, params: SpeakersParams, models: Models
) -> Artifact:
    """Tell speakers apart by their voices."""
    segments = list(zip(voice["start_ms"].tolist(), voice["end_ms"].tolist(), strict=True))
    windows = embed(audio, segments, models[ENCODER])
    means = find_speakers(
        windows, Evidence(params.min_speakers, params.max_speakers, params.similarity, params.min_speaker_ms)
    )
    found, means = _turns(segments, windows, means, params.turn_gap_ms)
    words = _words(speech)
    arrays: Arrays = {
        "start_ms": np.array([t.start_ms for t in found], dtype=np.int64),
        "end_ms": np.array([t.end_ms for t in found], dtype=np.int64),
        "speaker": np.array([t.speaker for t in found], dtype=np.int32),
        "score": np.clip(np.array([t.score for t in found], dtype=np.float32), 0, 1),
        "word_speaker": word_speakers(words[0], words[1], found),
        "embedding": means.astype(np.float16),
    }
    return Artifact(arrays, {"speakers": [f"S{i + 1}" for i in range(len(means))]})


def _words(speech: Artifact | None) -> tuple[np.ndarray, np.ndarray]:
    if speech is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    return speech["word_start_ms"], speech["word_end_ms"]


def _turns(
    segments: list[tuple[int, int]], windows: Windows, means: np.ndarray, gap_ms: int
) -> tuple[list[Turn], np.ndarray]:
    """Turns, and the means of the speakers who have one, in order of appearance."""
    if not len(windows):
        return [], means
    speaker, score = assign(windows, means)
    heard, first = np.unique(speaker, return_index=True)
    order = heard[np.argsort(first)]
    rank = np.zeros(len(means), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return turns(segments, windows, rank[speaker], score, gap_ms), means[order]
