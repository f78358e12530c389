"""Component ``tags``: what each sampled frame shows, by ImageNet's thousand classes, and an embedding of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from functions.tags.network import EMBEDDING, TOP, look
from functions.tags.summary import Rule, summarise
from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Chunk, Frames, Params, Part, Resources, Stage, component
from kadr.contracts.media import FrameStream
from kadr.contracts.model import Models

MODEL = "efficientnet_lite0"
TAGS = ArtifactSpec(
    name="tags",
    arrays={
        "t_ms": ArraySpec(dtype="int64", dims=("F",), unit="ms"),
        "top": ArraySpec(dtype="int32", dims=("F", TOP), doc="index into labels, most probable first"),
        "top_score": ArraySpec(
            dtype="float32", dims=("F", TOP), quantum=1e-4, tolerance=0.02, doc="probability"
        ),
        "embedding": ArraySpec(
            dtype="float16", dims=("F", EMBEDDING), tolerance=0.05, doc="pooled features, not normalised"
        ),
    },
    timeline="F",
    doc="The five most probable classes and an embedding of each sampled frame; the summary is in the payload.",
)


class TagsParams(Params):
    """What the summary names. All of them concern the merge alone."""

    min_score: float = Field(default=0.2, ge=0, le=1)
    """Smoothed probability from which a label counts as shown."""
    smooth_ms: int = Field(default=3000, ge=0)
    """Length of the window over which probabilities are averaged."""
    limit: int = Field(default=20, ge=1)
    """Most labels that the summary names."""


def merge_tags(parts: Sequence[Part], params: TagsParams) -> Artifact:
    """All chunks' frames end to end, and the summary of the whole video."""
    arrays = {name: np.concatenate([part.artifact[name] for part in parts]) for name in TAGS.arrays}
    facts = parts[0].artifact.payload
    rule = Rule(params.min_score, params.smooth_ms, params.limit)
    lasts_ms = np.minimum(int(facts["step_ms"]), parts[-1].chunk.end_ms - arrays["t_ms"])
    summary = summarise(
        arrays["t_ms"], arrays["top"], arrays["top_score"], list(facts["labels"]), lasts_ms, rule
    )
    return Artifact(arrays, {**facts, "summary": summary})


@component(
    "tags",
    version=1,
    stage=Stage.VISUAL,
    scope=Chunk("probe"),
    reads=Frames(fps=1, long_side=320),
    makes=TAGS,
    models=[MODEL],
    needs=Resources(cpu=1, memory_mb=300, seconds_per_minute=0.5),
    merge=merge_tags,
    merge_version=2,
    merge_params=("min_score", "smooth_ms", "limit"),
)
def tags(frames: FrameStream, params: TagsParams, models: Models) -> Artifact:
    """Name what each frame shows and embed it."""
    seen = look(frames, models[MODEL])
    arrays = {
        "t_ms": seen.t_ms,
        "top": seen.top,
        "top_score": seen.top_score,
        "embedding": seen.embedding,
    }
    return Artifact(arrays, {"labels": list(models[MODEL].labels), "step_ms": frames.step_ms})
