"""Component ``objects``: things of everyday classes (COCO-80), found in sampled frames and followed over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from pydantic import Field

from functions.objects.detector import Detector, Found
from functions.objects.tracks import Evidence, believed
from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Chunk, Frames, Params, Part, Resources, Stage, component
from kadr.contracts.errors import InvalidProfile
from kadr.contracts.media import FrameStream
from kadr.contracts.model import Models
from kadr.craft.looks import LENGTH, looks
from kadr.craft.pictures import each_picture, to_source
from kadr.craft.tracking import Detections, Tracks, linked, summarised

MODEL = "nanodet"
FLOOR = 0.2
"""Least score that a chunk reports: the merge decides what counts, so that no seam and no threshold asks for the model again."""
UNSURE = 0.6
"""Share of the threshold down to which a detection still carries a track on."""
BOX_DOC = "x1, y1, x2, y2 in pixels of the upright source picture"

_DETECTIONS = {
    "det_t_ms": ArraySpec(dtype="int64", dims=("D",), unit="ms"),
    "det_box": ArraySpec(dtype="float32", dims=("D", 4), unit="px", quantum=0.1, tolerance=4.0, doc=BOX_DOC),
    "det_score": ArraySpec(dtype="float32", dims=("D",), quantum=1e-4, tolerance=0.05),
    "det_label": ArraySpec(dtype="int32", dims=("D",), doc="index into the payload's labels"),
}
CANDIDATES = ArtifactSpec(
    name="object_candidates",
    arrays={
        **_DETECTIONS,
        "det_look": ArraySpec(dtype="uint8", dims=("D", LENGTH), doc="colours of the box, to tell cuts"),
    },
    timeline="D",
    doc="Every detection of a chunk that is at all likely.",
)
OBJECTS = ArtifactSpec(
    name="objects",
    arrays={
        **_DETECTIONS,
        "det_track": ArraySpec(dtype="int32", dims=("D",), doc="index of its track"),
        "track_label": ArraySpec(dtype="int32", dims=("T",), doc="index into the payload's labels"),
        "track_start_ms": ArraySpec(dtype="int64", dims=("T",), unit="ms"),
        "track_end_ms": ArraySpec(dtype="int64", dims=("T",), unit="ms"),
        "track_score": ArraySpec(
            dtype="float32", dims=("T",), quantum=1e-4, tolerance=0.05, doc="mean of its detections"
        ),
    },
    timeline="D",
    doc="Objects of COCO-80 in each sampled frame, and tracks: one thing while it stays in view.",
)


class ObjectParams(Params):
    """What counts as an object. All of it is decided in the merge: a change costs no model run."""

    threshold: float = Field(default=0.35, ge=0.25, le=1)
    """Score from which a detection begins a track; a track goes on down to 0.6 of it."""
    min_peak: float = Field(default=0.45, ge=0, le=1)
    """A track's best detection has at least this score."""
    min_lone_peak: float = Field(default=0.6, ge=0, le=1)
    """The same for what was seen in a single frame."""
    classes: tuple[str, ...] = ()
    """Only these classes, by the model's labels; none named: all."""


def link_tracks(parts: Sequence[Part], params: ObjectParams) -> Artifact:
    """All chunks' detections, linked at once: tracks run across seams exactly as within a chunk."""
    of_all = [part.artifact for part in parts]
    labels = list(of_all[0].payload.get("labels", []))
    every = Detections(*(np.concatenate([a[name] for a in of_all]) for name in CANDIDATES.arrays))
    step_ms = max(int(a.payload.get("step_ms", 0)) for a in of_all)
    span = (min(part.chunk.start_ms for part in parts), max(part.chunk.end_ms for part in parts))
    found = _counting(every, params, labels)
    groups = believed(
        found, linked(found, params.threshold, step_ms), Evidence(params.min_peak, params.min_lone_peak)
    )
    return Artifact(
        _arrays(found, summarised(found, groups, step_ms, span)), {"labels": labels, "step_ms": step_ms}
    )


@component(
    "objects",
    version=1,
    stage=Stage.VISUAL,
    scope=Chunk("probe"),
    reads=Frames(fps=2, long_side=640),
    makes=OBJECTS,
    parts=CANDIDATES,
    models=[MODEL],
    needs=Resources(cpu=1, memory_mb=350, gpu_memory_mb=200, seconds_per_minute=4.3),
    merge=link_tracks,
    merge_version=3,
    merge_params=("threshold", "min_peak", "min_lone_peak", "classes"),
)
def objects(frames: FrameStream, params: ObjectParams, models: Models) -> Artifact:
    """Find objects in sampled frames and follow them over time."""
    detect, model = Detector(models[MODEL], FLOOR), models[MODEL]
    seen = list(each_picture(frames, model.card, lambda images: _see(images, detect)))
    found, colours = [f for _, (f, _) in seen], [c for _, (_, c) in seen]
    t_ms = np.repeat([t for t, _ in seen], np.array([len(f.scores) for f in found], dtype=np.int64))
    arrays: dict[str, np.ndarray] = {
        "det_t_ms": t_ms.astype(np.int64),
        "det_box": np.concatenate([np.zeros((0, 4)), *(f.boxes for f in found)])
        * np.tile(to_source(frames), 2),
        "det_score": np.concatenate([np.zeros(0, np.float32), *(f.scores for f in found)]),
        "det_label": np.concatenate([np.zeros(0, np.int32), *(f.labels for f in found)]),
        "det_look": np.concatenate([np.zeros((0, LENGTH), np.uint8), *colours]),
    }
    return Artifact(arrays, {"labels": list(models[MODEL].labels), "step_ms": frames.step_ms})


def _see(images: Sequence[np.ndarray], detect: Detector) -> list[tuple[Found, np.ndarray]]:
    """Detections of each picture and their looks (uint8 [D, 256])."""
    return [(found, looks(image, found.boxes)) for image, found in zip(images, detect(images), strict=True)]


def _counting(found: Detections, params: ObjectParams, labels: Sequence[str]) -> Detections:
    """Those of the wanted classes, and sure enough to carry a track on. Raises InvalidProfile for a class that does not exist."""
    if unknown := sorted(set(params.classes) - set(labels)):
        raise InvalidProfile(
            f"objects.classes: {unknown} are not among the model's classes: {', '.join(labels)}"
        )
    wanted = found.scores >= UNSURE * params.threshold
    if params.classes:
        wanted &= np.isin(found.labels, [labels.index(name) for name in params.classes])
    return Detections(*(getattr(found, field.name)[wanted] for field in fields(found)))


def _arrays(found: Detections, tracks: Tracks) -> dict[str, np.ndarray]:
    kept = np.flatnonzero(tracks.of_detection >= 0)
    kept = kept[np.lexsort((-found.scores[kept], found.labels[kept], found.t_ms[kept]))]
    return {
        "det_t_ms": found.t_ms[kept],
        "det_box": found.boxes[kept],
        "det_score": found.scores[kept],
        "det_label": found.labels[kept],
        "det_track": tracks.of_detection[kept],
        "track_label": tracks.labels,
        "track_start_ms": tracks.start_ms,
        "track_end_ms": tracks.end_ms,
        "track_score": tracks.scores,
    }
