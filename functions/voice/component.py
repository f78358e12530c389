"""Component ``voice``: where someone speaks, and the chunks in which to listen."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from functions.voice.chunks import Extent, plan
from functions.voice.detector import track
from functions.voice.segments import Rules, find_segments
from kadr.contracts.artifact import Arrays, ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Audio, Output, Params, Resources, Stage, Whole, component
from kadr.contracts.media import AudioStream
from kadr.contracts.model import Models

DETECTOR = "silero_vad_16k"
VOICE = ArtifactSpec(
    name="voice",
    arrays={
        "start_ms": ArraySpec(dtype="int64", dims=("V",), unit="ms"),
        "end_ms": ArraySpec(dtype="int64", dims=("V",), unit="ms"),
        "score": ArraySpec(
            dtype="float32", dims=("V",), quantum=1e-4, tolerance=0.05, doc="mean probability of speech"
        ),
    },
    timeline="V",
    doc="Segments of speech in time order; they do not overlap.",
)
PLAN = ArtifactSpec(
    name="voice_plan",
    arrays={
        "start_ms": ArraySpec(dtype="int64", dims=("C",), unit="ms"),
        "end_ms": ArraySpec(dtype="int64", dims=("C",), unit="ms"),
    },
    timeline="C",
    doc="Chunks that hold all speech, cut in silences; at most 64. Payload: overlap_ms (0).",
)


class VoiceParams(Params):
    """What counts as speech, and how long its chunks are."""

    threshold: float = Field(0.5, gt=0, lt=1)
    release: float = Field(0.35, gt=0, lt=1)
    """Speech that has begun goes on until its probability falls below this."""
    min_speech_ms: int = Field(250, ge=0)
    min_silence_ms: int = Field(300, ge=32)
    pad_ms: int = Field(100, ge=0, le=1000)
    chunk_ms: int = Field(60_000, ge=5_000)
    """Longest chunk; half of it is the least that is aimed at. Both grow with videos that would need more than 64."""

    @model_validator(mode="after")
    def _release_is_lower(self) -> VoiceParams:
        if self.release > self.threshold:
            raise ValueError(f"release is {self.release}: set it to at most threshold ({self.threshold})")
        return self


_DETECTION = ("threshold", "release", "min_speech_ms", "min_silence_ms", "pad_ms")


@component(
    "voice",
    version=1,
    stage=Stage.AUDIO,
    scope=Whole(),
    reads=Audio(),
    makes={"voice": Output(VOICE, _DETECTION), "plan": Output(PLAN, (*_DETECTION, "chunk_ms"))},
    models=[DETECTOR],
    needs=Resources(cpu=1, memory_mb=160, seconds_per_minute=0.2),
)
def voice(audio: AudioStream, params: VoiceParams, models: Models) -> dict[str, Artifact]:
    """Find speech, and plan the chunks in which it is recognised."""
    heard = track(audio, models[DETECTOR])
    rules = Rules(**params.model_dump(include=set(_DETECTION)))
    segments = find_segments(heard, rules)
    extent = Extent(params.chunk_ms // 2, params.chunk_ms, params.chunk_ms // 2)
    chunks = np.array(plan(heard, segments, extent), dtype=np.int64).reshape(-1, 2)
    found: Arrays = {
        "start_ms": np.array([s.start_ms for s in segments], dtype=np.int64),
        "end_ms": np.array([s.end_ms for s in segments], dtype=np.int64),
        "score": np.array([s.score for s in segments], dtype=np.float32),
    }
    return {
        "voice": Artifact(found),
        "plan": Artifact({"start_ms": chunks[:, 0], "end_ms": chunks[:, 1]}, {"overlap_ms": 0}),
    }
