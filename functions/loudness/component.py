"""Component ``loudness``: how loud the sound is, by EBU R 128, and where it is silent."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from functions.loudness import measures
from kadr.contracts.artifact import Arrays, ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Params, Resources, Result, Stage, Whole, component

LOUDNESS = ArtifactSpec(
    name="loudness",
    arrays={
        "t_ms": ArraySpec(dtype="int64", dims=("W",), unit="ms", doc="where the windows end"),
        "momentary_lufs": ArraySpec(
            dtype="float32", dims=("W",), unit="LUFS", quantum=0.01, tolerance=0.1, doc="over 400 ms"
        ),
        "short_term_lufs": ArraySpec(
            dtype="float32", dims=("W",), unit="LUFS", quantum=0.01, tolerance=0.1, doc="over 3 s"
        ),
    },
    timeline="W",
    doc="Loudness every 100 ms; -100 LUFS stands for digital silence. Payload: integrated_lufs, range_lu, true_peak_dbtp "
    "(null where there is nothing to measure), silence ([start_ms, end_ms] spans).",
)


class LoudnessParams(Params):
    """What counts as silence."""

    silence_lufs: float = Field(-60.0, ge=-100, le=0)
    """Below this, 100 ms of sound are silent."""
    min_silence_ms: int = Field(500, ge=100)


@component(
    "loudness",
    version=1,
    stage=Stage.AUDIO,
    scope=Whole(),
    reads=Result("pcm", "levels"),
    makes=LOUDNESS,
    needs=Resources(cpu=1, memory_mb=100, seconds_per_minute=0.001),
)
def loudness(levels: Artifact, params: LoudnessParams) -> Artifact:
    """Measure loudness by EBU R 128 and find silences."""
    power = levels["power"].astype(np.float64)
    start_ms = int(levels.payload.get("start_ms", 0))
    windows = measures.moving_mean(power, measures.MOMENTARY)
    since = measures.MOMENTARY - 1
    short_term = measures.trailing_mean(power, measures.SHORT_TERM)[since:]
    arrays: Arrays = {
        "t_ms": start_ms + (np.arange(len(windows), dtype=np.int64) + since + 1) * measures.HOP_MS,
        "momentary_lufs": measures.lufs(windows).astype(np.float32),
        "short_term_lufs": measures.lufs(short_term).astype(np.float32),
    }
    silent = measures.quiet_spans(power, params.silence_lufs, params.min_silence_ms)
    payload = {
        "integrated_lufs": _rounded(measures.integrated(power)),
        "range_lu": _rounded(measures.loudness_range(power)),
        "true_peak_dbtp": _rounded(_decibels(float(levels["peak"].max(initial=0.0)))),
        "silence": [[start_ms + start, start_ms + end] for start, end in silent],
    }
    return Artifact(arrays, payload)


def _decibels(magnitude: float) -> float | None:
    return 20 * math.log10(magnitude) if magnitude > 0 else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2) + 0.0
