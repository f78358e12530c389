"""Component ``moderation``: how explicit each sampled frame looks. It reports scores and blocks nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from functions.moderation.network import rate
from functions.moderation.spans import Span, find_spans
from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Chunk, Frames, Params, Part, Resources, Stage, component
from kadr.contracts.media import FrameStream
from kadr.contracts.model import Models

MODEL = "nsfw_mobilenet_v2"
LABELS = 5
HARMLESS = frozenset({"Drawing", "Neutral"})
"""Labels that describe a picture and mark nothing."""
NOTE = (
    "Scores of a small network, for a person to look at: it knows no context, calls footballers Sexy and now and then a "
    "cartoon Porn. Nothing is blocked by them."
)

_SCORES = {
    "t_ms": ArraySpec(dtype="int64", dims=("F",), unit="ms"),
    "score": ArraySpec(
        dtype="float32", dims=("F", LABELS), quantum=1e-4, tolerance=0.02, doc="probability of each label"
    ),
}
MODERATION_SCORES = ArtifactSpec(
    name="moderation_scores", arrays=_SCORES, timeline="F", doc="Scores of one chunk's frames."
)
MODERATION = ArtifactSpec(
    name="moderation",
    arrays={
        **_SCORES,
        "span_start_ms": ArraySpec(dtype="int64", dims=("S",), unit="ms"),
        "span_end_ms": ArraySpec(dtype="int64", dims=("S",), unit="ms"),
        "span_label": ArraySpec(dtype="int32", dims=("S",), doc="index into labels"),
        "span_score": ArraySpec(
            dtype="float32", dims=("S",), quantum=1e-4, tolerance=0.02, doc="highest smoothed score"
        ),
    },
    timeline="F",
    doc="Scores of each sampled frame, and spans in which an explicit label stays above the threshold.",
)


class ModerationParams(Params):
    """When a label makes a span. Both concern the merge alone."""

    threshold: float = Field(default=0.7, ge=0, le=1)
    """Smoothed score from which a label makes a span."""
    smooth_ms: int = Field(default=3000, ge=0)
    """Length of the window over which scores are averaged; 0 takes each frame as it is."""


def merge_moderation(parts: Sequence[Part], params: ModerationParams) -> Artifact:
    """All chunks' scores end to end; spans are found anew, so that none ends at a seam."""
    arrays = {name: np.concatenate([part.artifact[name] for part in parts]) for name in _SCORES}
    facts = parts[0].artifact.payload
    t_ms, step_ms, spans = arrays["t_ms"], int(facts["step_ms"]), list[Span]()
    for label, name in enumerate(facts["labels"]):
        if name not in HARMLESS:
            score = arrays["score"][:, label]
            spans += find_spans(t_ms, score, label, params.threshold, params.smooth_ms, step_ms)
    spans.sort(key=lambda span: (span.start_ms, span.label))
    end_ms = parts[-1].chunk.end_ms
    arrays["span_start_ms"] = np.array([s.start_ms for s in spans], dtype=np.int64)
    arrays["span_end_ms"] = np.array([min(s.end_ms, end_ms) for s in spans], dtype=np.int64)
    arrays["span_label"] = np.array([s.label for s in spans], dtype=np.int32)
    arrays["span_score"] = np.array([s.score for s in spans], dtype=np.float32)
    return Artifact(arrays, {**facts, "note": NOTE})


@component(
    "moderation",
    version=1,
    stage=Stage.VISUAL,
    scope=Chunk("probe"),
    reads=Frames(fps=1, long_side=320),
    makes=MODERATION,
    parts=MODERATION_SCORES,
    models=[MODEL],
    needs=Resources(cpu=1, memory_mb=350, seconds_per_minute=0.5),
    merge=merge_moderation,
    merge_version=2,
    merge_params=("threshold", "smooth_ms"),
)
def moderation(frames: FrameStream, params: ModerationParams, models: Models) -> Artifact:
    """Score how explicit each frame looks."""
    t_ms, score = rate(frames, models[MODEL])
    payload = {"labels": list(models[MODEL].labels), "step_ms": frames.step_ms}
    return Artifact({"t_ms": t_ms, "score": score}, payload)
