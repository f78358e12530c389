"""Component ``faces``: faces in sampled frames with six points and an expression, followed over time. It knows no one's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from functions.faces.detector import POINTS, Detector, Found
from functions.faces.emotion import emotions
from functions.faces.second_look import confirmed
from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Chunk, Frames, Params, Part, Resources, Stage, component
from kadr.contracts.media import FrameStream
from kadr.contracts.model import Models
from kadr.craft.looks import LENGTH, looks
from kadr.craft.pictures import each_picture, to_source
from kadr.craft.tracking import Detections, Tracks, linked, summarised

DETECTOR, EXPRESSIONS = "blazeface", "face_emotion"
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FLOOR = 0.5
"""Least score at first sight that earns a second look, and least score that a chunk reports."""
UNSURE = 0.8
"""Share of the threshold down to which a detection still carries a track on."""
BOX_DOC = "x1, y1, x2, y2 in pixels of the upright source picture"
POINTS_DOC = "x, y of right eye, left eye, nose, mouth, right ear, left ear (the face's own right and left), source pixels"
EMOTION_DOC = "probabilities, in the order of the payload's emotions; all 0: not read"

_DETECTIONS = {
    "det_t_ms": ArraySpec(dtype="int64", dims=("D",), unit="ms"),
    "det_box": ArraySpec(dtype="float32", dims=("D", 4), unit="px", quantum=0.1, tolerance=4.0, doc=BOX_DOC),
    "det_score": ArraySpec(dtype="float32", dims=("D",), quantum=1e-4, tolerance=0.05),
    "det_points": ArraySpec(
        dtype="float32", dims=("D", POINTS, 2), unit="px", quantum=0.1, tolerance=4.0, doc=POINTS_DOC
    ),
    "det_emotion": ArraySpec(
        dtype="float32", dims=("D", len(EMOTIONS)), quantum=1e-4, tolerance=0.05, doc=EMOTION_DOC
    ),
}
CANDIDATES = ArtifactSpec(
    name="face_candidates",
    arrays={
        **_DETECTIONS,
        "det_look": ArraySpec(dtype="uint8", dims=("D", LENGTH), doc="colours of the box, to tell cuts"),
    },
    timeline="D",
    doc="Every detection of a chunk that is at all likely.",
)
FACES = ArtifactSpec(
    name="faces",
    arrays={
        **_DETECTIONS,
        "det_track": ArraySpec(dtype="int32", dims=("D",), doc="index of its track"),
        "track_start_ms": ArraySpec(dtype="int64", dims=("T",), unit="ms"),
        "track_end_ms": ArraySpec(dtype="int64", dims=("T",), unit="ms"),
        "track_score": ArraySpec(
            dtype="float32", dims=("T",), quantum=1e-4, tolerance=0.05, doc="mean of its detections"
        ),
        "track_emotion": ArraySpec(
            dtype="float32",
            dims=("T", len(EMOTIONS)),
            quantum=1e-4,
            tolerance=0.05,
            doc="mean of its detections', weighted by their scores",
        ),
    },
    timeline="D",
    doc="Faces in each sampled frame, and tracks: one face while it stays in view.",
)


class FaceParams(Params):
    """What counts as a face, and whether its expression is read."""

    threshold: float = Field(default=0.77, ge=0.6, le=1)
    """Score from which a detection begins a track; a track goes on down to 0.8 of it. Decided in the merge."""
    min_lone_peak: float = Field(default=0.8, ge=0, le=1)
    """Score that a face needs when it was seen in a single frame. Decided in the merge."""
    emotion: bool = True


@dataclass(frozen=True)
class Faces:
    """One picture's faces: what was found, expressions float32 [D, 7], looks uint8 [D, 256]."""

    found: Found
    emotions: np.ndarray
    looks: np.ndarray


def merge_faces(parts: Sequence[Part], params: FaceParams) -> Artifact:
    """All chunks' faces, linked at once: tracks run across seams exactly as within a chunk."""
    of_all = [part.artifact for part in parts]
    every = {name: np.concatenate([a[name] for a in of_all]) for name in CANDIDATES.arrays}
    every = {name: array[every["det_score"] >= UNSURE * params.threshold] for name, array in every.items()}
    found = _detections(every)
    step_ms = max(int(a.payload.get("step_ms", 0)) for a in of_all)
    groups = [
        group
        for group in linked(found, params.threshold, step_ms)
        if len(group) > 1 or found.scores[group[0]] >= params.min_lone_peak
    ]
    span = (min(part.chunk.start_ms for part in parts), max(part.chunk.end_ms for part in parts))
    arrays = _arrays(every, summarised(found, groups, step_ms, span), groups)
    return Artifact(arrays, {"emotions": list(EMOTIONS), "step_ms": step_ms})


@component(
    "faces",
    version=1,
    stage=Stage.VISUAL,
    scope=Chunk("probe"),
    reads=Frames(fps=2, long_side=640),
    makes=FACES,
    parts=CANDIDATES,
    models=[DETECTOR],
    model_params={"emotion": {"True": (EXPRESSIONS,)}},
    needs=Resources(cpu=1, memory_mb=260, gpu_memory_mb=100, seconds_per_minute=2.6),
    merge=merge_faces,
    merge_version=3,
    merge_params=("threshold", "min_lone_peak"),
)
def faces(frames: FrameStream, params: FaceParams, models: Models) -> Artifact:
    """Find faces in sampled frames, read their expressions and follow them over time."""
    detector = Detector(models[DETECTOR], FLOOR)

    def see(images: Sequence[np.ndarray]) -> list[Faces]:
        return [_faces(i, f, detector, params, models) for i, f in zip(images, detector(images), strict=True)]

    seen = list(each_picture(frames, models[DETECTOR].card, see))
    every = [f.found for _, f in seen]
    scale = to_source(frames)
    arrays: dict[str, np.ndarray] = {
        "det_t_ms": np.repeat(
            np.array([t for t, _ in seen], dtype=np.int64),
            np.array([len(f.scores) for f in every], dtype=np.int64),
        ),
        "det_box": np.concatenate([np.zeros((0, 4)), *(f.boxes for f in every)]) * np.tile(scale, 2),
        "det_score": np.concatenate([np.zeros(0), *(f.scores for f in every)]),
        "det_points": np.concatenate([np.zeros((0, POINTS, 2)), *(f.points for f in every)]) * scale,
        "det_emotion": np.concatenate([np.zeros((0, len(EMOTIONS))), *(f.emotions for _, f in seen)]),
        "det_look": np.concatenate([np.zeros((0, LENGTH), np.uint8), *(f.looks for _, f in seen)]),
    }
    return Artifact(arrays, {"emotions": list(EMOTIONS), "step_ms": frames.step_ms})


def _faces(image: np.ndarray, seen: Found, detector: Detector, params: FaceParams, models: Models) -> Faces:
    """What is seen of one picture's faces, those left out that a second look denies."""
    checked = confirmed(image, seen, detector)
    likely = checked.scores >= FLOOR
    found = Found(checked.boxes[likely], checked.points[likely], checked.scores[likely])
    read = (
        emotions(models[EXPRESSIONS], image, found)
        if params.emotion
        else np.zeros((len(found.scores), len(EMOTIONS)))
    )
    return Faces(found, read, looks(image, found.boxes))


def _detections(every: dict[str, np.ndarray]) -> Detections:
    none = np.zeros(len(every["det_t_ms"]), dtype=np.int32)
    return Detections(every["det_t_ms"], every["det_box"], every["det_score"], none, every["det_look"])


def _arrays(
    every: dict[str, np.ndarray], tracks: Tracks, groups: Sequence[list[int]]
) -> dict[str, np.ndarray]:
    kept = np.flatnonzero(tracks.of_detection >= 0)
    kept = kept[np.lexsort((-every["det_score"][kept], every["det_t_ms"][kept]))]
    means = [np.average(every["det_emotion"][g], axis=0, weights=every["det_score"][g]) for g in groups]
    return {
        **{name: every[name][kept] for name in _DETECTIONS},
        "det_track": tracks.of_detection[kept],
        "track_start_ms": tracks.start_ms,
        "track_end_ms": tracks.end_ms,
        "track_score": tracks.scores,
        "track_emotion": np.array(means, dtype=np.float32).reshape(-1, len(EMOTIONS)),
    }
