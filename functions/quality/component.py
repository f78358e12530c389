"""Component ``quality``: sharpness and light of each sampled frame, and spans that are black, frozen or blurred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from functions.quality.measures import SMALL, change, measure
from functions.quality.spans import (
    BLACK,
    BLUR,
    FREEZE,
    KINDS,
    Span,
    held,
    is_black,
    is_blurred,
    is_still,
)
from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Chunk, Frames, Params, Part, Resources, Stage, component
from kadr.contracts.media import FrameStream


def _per_frame(quantum: float, tolerance: float, unit: str, doc: str) -> ArraySpec:
    return ArraySpec(dtype="float32", dims=("F",), quantum=quantum, tolerance=tolerance, unit=unit, doc=doc)


VALUES = ("blur", "luma", "contrast", "change")
_MEASURES = {
    "t_ms": ArraySpec(dtype="int64", dims=("F",), unit="ms"),
    "blur": _per_frame(0.1, 5.0, "", "variance of the Laplacian: small is blurred"),
    "luma": _per_frame(0.01, 0.5, "levels of 0-255", "mean"),
    "contrast": _per_frame(0.01, 0.5, "levels of 0-255", "standard deviation of luma"),
    "change": _per_frame(
        0.01, 0.2, "levels of 0-255", "root mean square difference from the frame before; -1: there is none"
    ),
}
QUALITY_MEASURES = ArtifactSpec(
    name="quality_measures",
    arrays={
        **_MEASURES,
        "edge": ArraySpec(
            dtype="uint8", dims=("E", SMALL[1], SMALL[0]), doc="the first and the last picture, grey"
        ),
    },
    timeline="F",
    doc="Measures of one chunk's frames.",
)
QUALITY = ArtifactSpec(
    name="quality",
    arrays={
        **_MEASURES,
        "span_start_ms": ArraySpec(dtype="int64", dims=("S",), unit="ms"),
        "span_end_ms": ArraySpec(dtype="int64", dims=("S",), unit="ms"),
        "span_kind": ArraySpec(dtype="int32", dims=("S",), doc="index into kinds"),
    },
    timeline="F",
    doc="Measures of each sampled frame, and spans that are black, frozen or blurred.",
)


class QualityParams(Params):
    """From when on a span is told. All of them concern the merge alone."""

    blur_threshold: float = Field(default=40.0, ge=0)
    """Variance of the Laplacian below which a frame is blurred."""
    blur_min_ms: int = Field(default=1000, ge=0)
    black_luma: float = Field(default=20.0, ge=0, le=255)
    """Mean luma up to which a frame is black."""
    black_contrast: float = Field(default=8.0, ge=0)
    """Standard deviation of luma up to which a frame is black; a brighter flat one is never blurred."""
    black_min_ms: int = Field(default=500, ge=0)
    freeze_threshold: float = Field(default=0.7, ge=0)
    """Root mean square difference, in grey levels, up to which the picture is the same."""
    freeze_min_ms: int = Field(default=2000, ge=0)


MERGE_PARAMS = tuple(QualityParams.model_fields)


def merge_quality(parts: Sequence[Part], params: QualityParams) -> Artifact:
    """All chunks' measures end to end, compared across seams; spans are found anew."""
    arrays = {name: np.concatenate([part.artifact[name] for part in parts]) for name in _MEASURES}
    facts = parts[0].artifact.payload
    step_ms = int(facts["step_ms"])
    for frame, value in _across_seams([part.artifact for part in parts], step_ms).items():
        arrays["change"][frame] = value
    spans, end_ms = _spans(arrays, step_ms, params), parts[-1].chunk.end_ms
    arrays["span_start_ms"] = np.array([s[0] for s in spans], dtype=np.int64)
    arrays["span_end_ms"] = np.array([min(s[1], end_ms) for s in spans], dtype=np.int64)
    arrays["span_kind"] = np.array([s[2] for s in spans], dtype=np.int32)
    return Artifact(arrays, dict(facts))


def _across_seams(parts: Sequence[Artifact], step_ms: int) -> dict[int, float]:
    """{frame: change} of each chunk's first frame that follows the last one of the chunk before it."""
    found: dict[int, float] = {}
    frame, before = 0, None
    for part in parts:
        t_ms = part["t_ms"]
        if before is not None and len(t_ms) and t_ms[0] - before["t_ms"][-1] <= step_ms:
            found[frame] = change(before["edge"][-1], part["edge"][0])
        before = part if len(t_ms) else before
        frame += len(t_ms)
    return found


def _spans(values: Mapping[str, np.ndarray], step_ms: int, params: QualityParams) -> list[Span]:
    t_ms = values["t_ms"]
    black = is_black(values, params.black_luma, params.black_contrast)
    still = is_still(t_ms, values["change"], params.freeze_threshold, step_ms) & ~black
    blurred = is_blurred(values, params.blur_threshold, params.black_contrast)
    return sorted(
        held(t_ms, black, BLACK, step_ms, params.black_min_ms)
        + held(t_ms, still, FREEZE, step_ms, params.freeze_min_ms)
        + held(t_ms, blurred, BLUR, step_ms, params.blur_min_ms)
    )


@component(
    "quality",
    version=1,
    stage=Stage.VISUAL,
    scope=Chunk("probe"),
    reads=Frames(fps=2, long_side=320),
    makes=QUALITY,
    parts=QUALITY_MEASURES,
    needs=Resources(cpu=1, memory_mb=150, seconds_per_minute=0.1),
    merge=merge_quality,
    merge_params=MERGE_PARAMS,
)
def quality(frames: FrameStream, params: QualityParams) -> Artifact:
    """Measure sharpness, light and change of each frame."""
    made = measure(frames)
    values = np.array(made.values, dtype=np.float32).reshape(-1, len(VALUES))
    arrays: dict[str, np.ndarray] = {name: values[:, i] for i, name in enumerate(VALUES)}
    arrays["t_ms"] = np.array(made.t_ms, dtype=np.int64)
    arrays["edge"] = np.array(made.small, dtype=np.uint8).reshape(-1, SMALL[1], SMALL[0])
    return Artifact(arrays, {"kinds": list(KINDS), "step_ms": frames.step_ms})
