"""Component ``ocr``: text on screen, read where it changed and linked into tracks over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import Field

from functions.ocr.boxes import bounds
from functions.ocr.gate import edge_change, edges, regions_to_read
from functions.ocr.reading import DETECTOR, RECOGNISER, Line, Reader, quads_of
from functions.ocr.tracks import Lines, build_tracks
from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Chunk, Frames, Params, Part, Resources, Stage, component
from kadr.contracts.media import ChunkSpan, FrameStream
from kadr.contracts.model import Models

QUAD_DOC = "corners clockwise from the top left, in pixels of the upright source picture"
OCR = ArtifactSpec(
    name="ocr",
    arrays={
        "line_t_ms": ArraySpec(dtype="int64", dims=("L",), unit="ms"),
        "line_box": ArraySpec(
            dtype="float32", dims=("L", 4, 2), unit="px", quantum=0.1, tolerance=4.0, doc=QUAD_DOC
        ),
        "line_score": ArraySpec(dtype="float32", dims=("L",), quantum=1e-4, tolerance=0.05),
        "line_track": ArraySpec(dtype="int32", dims=("L",), doc="index of the line's track"),
        "track_start_ms": ArraySpec(dtype="int64", dims=("T",), unit="ms"),
        "track_end_ms": ArraySpec(dtype="int64", dims=("T",), unit="ms"),
        "track_score": ArraySpec(dtype="float32", dims=("T",), quantum=1e-4, tolerance=0.05),
        "track_box": ArraySpec(
            dtype="float32",
            dims=("T", 4, 2),
            unit="px",
            quantum=0.1,
            tolerance=4.0,
            doc=f"of its best reading: {QUAD_DOC}",
        ),
    },
    timeline="L",
    doc="Lines of text in each sampled frame, and tracks: one text while it stays on screen. Texts are in the payload.",
)


class OcrParams(Params):
    """What counts as text, and when a frame is read again."""

    min_score: float = Field(default=0.6, ge=0, le=1)
    change_threshold: float = Field(default=4.0, ge=0)
    """Grey levels of edge change around any pixel that make a frame worth reading; 0 reads every frame that differs visibly."""
    reread_ms: int = Field(default=10_000, ge=0)
    """A frame is read in full at least this often, changed or not, unless the picture is the very same one."""
    detect_side: int = Field(default=1280, ge=320, le=4096)
    """Longest side of the picture that the detector sees; 960 takes half the time and misses small faint text."""


@dataclass(frozen=True)
class Seen:
    """What is known of the screen. ``full_ms``: when all of it was last read; ``edges``: of each part as it was last read."""

    full_ms: int
    edges: np.ndarray
    lines: list[Line]
    exact: bool = True
    """No unread picture has come since: a repeated one is fully known."""


def merge_ocr(parts: Sequence[Part], params: OcrParams) -> Artifact:
    """All chunks' lines, linked anew: tracks run across seams exactly as within a chunk."""
    of_all = [part.artifact for part in parts]
    lines = Lines(
        np.concatenate([a["line_t_ms"] for a in of_all]),
        np.concatenate([a["line_box"] for a in of_all]),
        np.concatenate([a["line_score"] for a in of_all]),
        [text for a in of_all for text in a.payload.get("lines", [])],
    )
    span = (min(part.chunk.start_ms for part in parts), max(part.chunk.end_ms for part in parts))
    counts = {name: sum(a.payload.get(name, 0) for a in of_all) for name in ("ocr_frames", "frames")}
    return _artifact(lines, max(a.payload.get("step_ms", 0) for a in of_all), span, counts)


@component(
    "ocr",
    version=3,
    stage=Stage.TEXT,
    scope=Chunk("probe"),
    reads=Frames(fps=1, long_side=1280),
    makes=OCR,
    models=[DETECTOR, RECOGNISER],
    needs=Resources(cpu=1, memory_mb=500, seconds_per_minute=11),
    merge=merge_ocr,
)
def ocr(frames: FrameStream, params: OcrParams, models: Models, chunk: ChunkSpan) -> Artifact:
    """Read the text on screen and follow it over time."""
    t_ms: list[int] = []
    found: list[Line] = []
    counts = {"ocr_frames": 0, "frames": 0}
    for at, lines, read in _readings(frames, Reader(models, params.detect_side, params.min_score), params):
        t_ms += [at] * len(lines)
        found += lines
        counts["frames"] += 1
        counts["ocr_frames"] += read
    scale = (
        np.array([frames.source_width / frames.width, frames.source_height / frames.height]) if found else 1.0
    )
    every = Lines(
        np.array(t_ms, dtype=np.int64),
        (quads_of(found) * scale).astype(np.float32),
        np.array([line.score for line in found], dtype=np.float32),
        [line.text for line in found],
    )
    return _artifact(every, frames.step_ms, (chunk.start_ms, chunk.end_ms), counts)


def _readings(
    frames: FrameStream, reader: Reader, params: OcrParams
) -> Iterator[tuple[int, list[Line], bool]]:
    """(t_ms, lines, was it read) of each frame: read where it changed, otherwise what was read last."""
    seen: Seen | None = None
    for batch in frames:
        for t_ms, image, repeated in zip(
            batch.t_ms.tolist(), batch.images, batch.repeated.tolist(), strict=True
        ):
            now = seen if seen and seen.exact and repeated else _looked(seen, t_ms, image, reader, params)
            read = seen is None or now.lines is not seen.lines
            seen = now
            yield t_ms, seen.lines, read


def _looked(seen: Seen | None, t_ms: int, image: np.ndarray, reader: Reader, params: OcrParams) -> Seen:
    """What is known after this frame: ``seen`` inexact when nothing changed, else a new reading."""
    outline = edges(image)
    if seen is None or t_ms - seen.full_ms >= params.reread_ms:
        return Seen(t_ms, outline, reader.read(image))
    change, threshold = edge_change(seen.edges, outline), params.change_threshold
    if change.max() <= threshold:
        return replace(seen, exact=False)
    regions = regions_to_read(change, outline, threshold, bounds(quads_of(seen.lines)))
    known = np.where(change > threshold, outline, seen.edges)
    if not regions:
        return replace(seen, edges=known, exact=False)
    for left, top, right, bottom in regions:
        known[top:bottom, left:right] = outline[top:bottom, left:right]
    return Seen(seen.full_ms, known, reader.reread(image, seen.lines, change, threshold, regions))


def _artifact(lines: Lines, step_ms: int, span_ms: tuple[int, int], counts: dict[str, int]) -> Artifact:
    tracks = build_tracks(lines, step_ms, span_ms)
    payload: dict[str, Any] = {
        "lines": list(lines.texts),
        "tracks": tracks.texts,
        "step_ms": step_ms,
        **counts,
    }
    arrays = {
        "line_t_ms": lines.t_ms,
        "line_box": lines.quads,
        "line_score": lines.scores,
        "line_track": tracks.of_line,
        "track_start_ms": tracks.start_ms,
        "track_end_ms": tracks.end_ms,
        "track_score": tracks.scores,
        "track_box": tracks.quads,
    }
    return Artifact(arrays, payload)
