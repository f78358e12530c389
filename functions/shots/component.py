"""shots: where the camera changes, which shots belong together, and a picture of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from pydantic import Field

from functions.shots.decide import Detector, transitions
from functions.shots.merge import Shot, find_shots, key_frames, motion_by_second, scenes_of, storyboard
from functions.shots.pictures import BINS, Still, Stored, key_pictures, survey
from functions.shots.signals import Signals, measure
from functions.shots.transnet import with_transnet
from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Chunk, Frames, Params, Part, Resources, Stage, component
from kadr.contracts.media import ChunkSpan, FrameStream
from kadr.contracts.model import Models
from kadr.contracts.stretches import let_go

_MS = ArraySpec(dtype="int64", dims=("N",), unit="ms")
_HISTOGRAM = int(np.prod(BINS))


def _ms(dim: str, doc: str = "") -> ArraySpec:
    return ArraySpec(dtype="int64", dims=(dim,), unit="ms", doc=doc)


def _float(dim: str, quantum: float, doc: str = "") -> ArraySpec:
    return ArraySpec(dtype="float32", dims=(dim,), quantum=quantum, doc=doc)


def _pictures(name: str, dim: str, doc: str) -> dict[str, ArraySpec]:
    """JPEG files one after the other; picture i is bytes [offsets[i], offsets[i + 1])."""
    return {
        f"{name}_ms": _ms(dim, doc),
        f"{name}_bytes": ArraySpec(dtype="uint8", dims=(f"{dim}B",), doc="JPEG"),
        f"{name}_offsets": ArraySpec(dtype="int64", dims=(f"{dim}O",)),
    }


SHOT_SIGNALS = ArtifactSpec(
    name="shot_signals",
    arrays={
        "t_ms": _ms("F"),
        **{name: _float("F", 1e-3) for name in ("content", "motion", "luma", "gradual")},
        "half_ms": ArraySpec(dtype="int32", dims=("F",), unit="ms"),
        "flash": ArraySpec(dtype="uint8", dims=("F",)),
        "single": _float("F", 1e-4),
        "all": _float("F", 1e-4),
        "still_ms": _ms("P"),
        "still_histogram": ArraySpec(dtype="float32", dims=("P", _HISTOGRAM), quantum=1e-5),
        "still_sharpness": _float("P", 1e-2),
        **_pictures("keyframe", "K", "candidates for key frames"),
        "keyframe_sharpness": _float("K", 1e-2),
        **_pictures("story", "T", "storyboard"),
    },
    doc="What the shots of one chunk are decided from: signals of every frame (up to overlap_ms beyond its end) and pictures.",
)
SHOTS = ArtifactSpec(
    name="shots",
    arrays={
        "shot_start_ms": _ms("S"),
        "shot_end_ms": _ms("S"),
        "shot_kind": ArraySpec(dtype="uint8", dims=("S",), doc="0 start, 1 hard cut, 2 gradual"),
        "shot_score": _float("S", 1e-4, "of the cut that begins the shot"),
        "shot_scene": ArraySpec(dtype="int32", dims=("S",), doc="index of its scene"),
        "scene_start_ms": _ms("C"),
        "scene_end_ms": _ms("C"),
        **_pictures("keyframe", "S", "time of each shot's key frame"),
        **_pictures("story", "T", "storyboard: one picture every max(2 s, duration / 200)"),
        "motion_ms": _ms("M"),
        "motion": _float("M", 1e-3, "sum of mean luma changes between frames in that second"),
    },
    doc="Payload: detector.",
)


class ShotsParams(Params):
    """``detector``: adaptive, content or transnet. ``threshold``: of its score (null: the detector's own default)."""

    detector: Detector = "adaptive"
    threshold: float | None = Field(default=None, gt=0)
    min_shot_ms: int = Field(default=400, ge=0)


def merge_shots(parts: Sequence[Part], params: ShotsParams) -> Artifact:
    """Decide on the joined signals of all chunks, so that seams do not show; see functions/shots/README.md."""
    shots, cuts, runs = find_shots(parts, params.detector, params.threshold, params.min_shot_ms)
    stills = [still for part in parts for still in _stills(part.artifact)]
    stored = [s for part in parts for s in _stored(part.artifact, "keyframe")]
    stories = [s for part in parts for s in _stored(part.artifact, "story")]
    length_ms = sum(p.chunk.end_ms - p.chunk.start_ms for p in parts)
    motion_ms, motion = motion_by_second(runs)
    pictures = {
        **_picture_arrays("keyframe", key_frames(shots, cuts, stored)),
        **_picture_arrays("story", storyboard(stories, length_ms)),
    }
    for part in parts:  # what was copied of the chunks' pictures need not stay in memory a second time
        let_go(part.artifact["keyframe_bytes"])
        let_go(part.artifact["story_bytes"])
    return Artifact(
        {
            **_shot_arrays(shots, scenes_of(shots, cuts, stills)),
            **pictures,
            "motion_ms": motion_ms,
            "motion": motion,
        },
        {"detector": params.detector},
    )


@component(
    "shots",
    version=1,
    stage=Stage.SEGMENTER,
    scope=Chunk("probe"),
    reads=(Frames(size=(48, 27)), Frames(fps=1, long_side=320)),
    makes=SHOTS,
    parts=SHOT_SIGNALS,
    merge=merge_shots,
    merge_params=("threshold", "min_shot_ms"),
    model_params={"detector": {"transnet": ("transnetv2",)}},
    needs=Resources(
        cpu=1, memory_mb=200, seconds_per_minute=0.6, model_seconds_per_minute={"transnetv2": 24.0}
    ),
)
def shots(
    frames: FrameStream, stills: FrameStream, params: ShotsParams, models: Models, chunk: ChunkSpan
) -> Artifact:
    """Measure every frame, and choose pictures by the cuts that the chunk sees for itself."""
    signals = measure(frames)
    if params.detector == "transnet":
        signals = with_transnet(signals, frames, models["transnetv2"])
    cuts = transitions(signals, params.detector, params.threshold, params.min_shot_ms)
    found, story = survey(stills, chunk)
    stored = key_pictures(frames, stills, found, cuts, chunk)
    histograms = np.array([s.histogram for s in found], dtype=np.float32).reshape(-1, _HISTOGRAM)
    return Artifact(
        {
            **{f.name: getattr(signals, f.name) for f in fields(Signals)},
            "still_ms": np.array([s.t_ms for s in found], dtype=np.int64),
            "still_histogram": histograms,
            "still_sharpness": np.array([s.sharpness for s in found], dtype=np.float32),
            **_picture_arrays("keyframe", stored),
            "keyframe_sharpness": np.array([s.sharpness for s in stored], dtype=np.float32),
            **_picture_arrays("story", story),
        }
    )


def _shot_arrays(found: Sequence[Shot], scenes: Sequence[int]) -> dict[str, Any]:
    starts, ends = ([getattr(s, name) for s in found] for name in ("start_ms", "end_ms"))
    first = [i for i in range(len(found)) if i == 0 or scenes[i] != scenes[i - 1]]
    last = [*(i - 1 for i in first[1:]), len(found) - 1] if found else []
    return {
        "shot_start_ms": np.array(starts, dtype=np.int64),
        "shot_end_ms": np.array(ends, dtype=np.int64),
        "shot_kind": np.array([s.kind for s in found], dtype=np.uint8),
        "shot_score": np.array([s.score for s in found], dtype=np.float32),
        "shot_scene": np.array(scenes, dtype=np.int32),
        "scene_start_ms": np.array([starts[i] for i in first], dtype=np.int64),
        "scene_end_ms": np.array([ends[i] for i in last], dtype=np.int64),
    }


def _picture_arrays(name: str, pictures: Sequence[Stored]) -> dict[str, Any]:
    offsets = np.cumsum([0, *(len(p.jpeg) for p in pictures)], dtype=np.int64)
    return {
        f"{name}_ms": np.array([p.t_ms for p in pictures], dtype=np.int64),
        f"{name}_bytes": np.frombuffer(b"".join(p.jpeg for p in pictures), dtype=np.uint8),
        f"{name}_offsets": offsets,
    }


def _stored(artifact: Artifact, name: str) -> list[Stored]:
    offsets, data = artifact[f"{name}_offsets"], artifact[f"{name}_bytes"]
    times = artifact[f"{name}_ms"].tolist()
    sharp = artifact["keyframe_sharpness"].tolist() if name == "keyframe" else [0.0] * len(times)
    return [
        Stored(t, s, data[a:b].data)
        for t, s, a, b in zip(times, sharp, offsets[:-1], offsets[1:], strict=True)
    ]


def _stills(artifact: Artifact) -> list[Still]:
    columns: Mapping[str, Any] = artifact.arrays
    rows = zip(
        columns["still_ms"].tolist(),
        columns["still_histogram"],
        columns["still_sharpness"].tolist(),
        strict=True,
    )
    return [Still(*row) for row in rows]
