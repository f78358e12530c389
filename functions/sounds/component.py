"""Component ``sounds``: speech, music, noise or silence, all along the video."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from functions.sounds.classifier import LABELS, cells, spans
from kadr.contracts.artifact import Arrays, ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Audio, Params, Resources, Stage, Whole, component
from kadr.contracts.media import AudioStream
from kadr.contracts.model import Models

CLASSIFIER = "speech_music_noise"
SOUNDS = ArtifactSpec(
    name="sounds",
    arrays={
        "start_ms": ArraySpec(dtype="int64", dims=("N",), unit="ms"),
        "end_ms": ArraySpec(dtype="int64", dims=("N",), unit="ms"),
        "label": ArraySpec(dtype="int32", dims=("N",), doc="index into the payload's labels"),
        "score": ArraySpec(
            dtype="float32", dims=("N",), quantum=1e-4, tolerance=0.05, doc="mean probability of the label"
        ),
    },
    timeline="N",
    doc="Spans of one kind of sound each, in time order and without gaps. Payload: labels.",
)


class SoundsParams(Params):
    """What counts as silence."""

    silence_dbfs: float = Field(-60.0, ge=-120, le=0)
    """Level below which a fifth of a second is silent."""


@component(
    "sounds",
    version=1,
    stage=Stage.AUDIO,
    scope=Whole(),
    reads=Audio(),
    makes=SOUNDS,
    models=[CLASSIFIER],
    needs=Resources(cpu=1, memory_mb=220, seconds_per_minute=0.15),
)
def sounds(audio: AudioStream, params: SoundsParams, models: Models) -> Artifact:
    """Tell speech, music, noise and silence apart."""
    heard = cells(audio, models[CLASSIFIER], 10 ** (params.silence_dbfs / 10))
    found = spans(heard, audio.start_ms, audio.end_ms)
    arrays: Arrays = {
        "start_ms": np.array([s.start_ms for s in found], dtype=np.int64),
        "end_ms": np.array([s.end_ms for s in found], dtype=np.int64),
        "label": np.array([s.label for s in found], dtype=np.int32),
        "score": np.array([s.score for s in found], dtype=np.float32),
    }
    return Artifact(arrays, {"labels": list(LABELS)})
