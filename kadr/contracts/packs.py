"""Frame packs on paper: their artifact, the ladder that sampling snaps to so that components share packs, and their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from kadr.contracts.artifact import ArraySpec, ArtifactSpec, Retention
from kadr.contracts.component import Frames

N = TypeVar("N", int, float)

FPS_LADDER = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
LONG_SIDE_LADDER = (320, 640, 960, 1280, 1920)
QUALITY = 90
"""At 80, a quarter smaller, things are lost and invented between frames (HOTA of tracks 0.611 to 0.567) and faint text is misread."""
EXACT_QUALITY = 95
"""JPEG quality of packs that signals are measured on (every frame, or an exact size); their colour is stored 4:4:4."""

SMALL = (2.0, 320)
"""Up to these, frames a second and long side, pictures have a pack of their own: it is small, a quick look needs no other, and what
compares one picture with the next finds all of them made in the same way.
"""
SHARED, WIDE = (2.0, 640), (1.0, 1280)
"""Beyond, what asks for no more than one of these is read from one pack of ``SHARED`` whose pictures at ``WIDE``'s times are wide:
what is there at 1280 pixels is not stored at 640 again.
"""

FRAME_PACK = ArtifactSpec(
    name="frame_pack",
    arrays={
        "bytes": ArraySpec(
            dtype="uint8",
            dims=("B",),
            doc="JPEG files, one after the other; what stands before the first is the beginning of each",
        ),
        "offsets": ArraySpec(
            dtype="int64", dims=("O",), doc="where picture p begins and ends: [p], [p + 1]; P + 1 long"
        ),
        "t_ms": ArraySpec(
            dtype="int64", dims=("F",), unit="ms", doc="grid time, or the frame's own in every-frame packs"
        ),
        "picture": ArraySpec(
            dtype="int64", dims=("F",), doc="the picture on display then; repeated ones are stored once"
        ),
    },
    retention=Retention.INTERMEDIATE,
    doc="Sampled frames of a chunk as JPEG. Payload: width, height, source_width, source_height, step_ms (0: every frame), wide "
    "([width, height, step_ms] of the larger pictures at the times of that grid, or null), format, decode_errors, missing "
    "([start_ms, end_ms] spans of grid times whose frame could not be decoded).",
)


@dataclass(frozen=True)
class View:
    """What one component reads of a pack: times that are multiples of ``step_ms``, at most ``long_side`` pixels wide or high."""

    step_ms: int
    long_side: int | None = None


def snap(fps: float | None, long_side: int | None) -> tuple[float | None, int | None]:
    """The lowest rungs that give at least ``fps`` and ``long_side``, or the top rungs; None stays None.

    Raises ValueError when one of them is not positive.
    """
    return _rung(fps, FPS_LADDER, "fps"), _rung(long_side, LONG_SIDE_LADDER, "long_side")


def pack_name(fps: float | None, long_side: int | None, size: tuple[int, int] | None) -> str:
    """E.g. ``frames-2fps-640``, ``frames-all-48x27``, ``frames-1fps-full``."""
    rate = "all" if fps is None else f"{fps:g}fps"
    extent = f"{size[0]}x{size[1]}" if size else (str(long_side) if long_side else "full")
    return f"frames-{rate}-{extent}"


def step_ms(fps: float | None) -> int:
    """Distance of the sampling grid in ms; 0 for every frame."""
    return 0 if fps is None else round(1000 / fps)


def snapped(frames: Frames) -> Frames:
    """``frames`` on the ladder. Raises ValueError for what is not positive."""
    if frames.size is not None and min(frames.size) <= 0:
        raise ValueError(f"size must be two positive numbers of pixels, not {frames.size}")
    fps, long_side = snap(frames.fps, None if frames.size else frames.long_side)
    return Frames(fps, long_side, frames.size)


def view_of(frames: Frames) -> View | None:
    """What ``frames`` reads of its pack; None is all of it."""
    asked = snapped(frames)
    return None if asked.size or asked.fps is None else View(step_ms(asked.fps), asked.long_side)


def pack_item(frames: Frames) -> dict[str, Any]:
    """The pack that serves ``frames``, as an item of decode's parameter ``packs``."""
    asked = snapped(frames)
    if _within(asked, SMALL):
        return _item(Frames(*SMALL))
    if _within(asked, SHARED) or _within(asked, WIDE):
        wide = dict(zip(("wide_fps", "wide_long_side"), WIDE, strict=True))
        return {**_item(Frames(*SHARED)), **wide, "name": f"{pack_name(*SHARED, None)}-{WIDE[1]}"}
    return _item(asked)


def _within(frames: Frames, limits: tuple[float, int]) -> bool:
    if frames.size or frames.fps is None or frames.long_side is None:
        return False
    return frames.fps <= limits[0] and frames.long_side <= limits[1]


def _item(frames: Frames) -> dict[str, Any]:
    exact = frames.size is not None or frames.fps is None
    return {
        "name": pack_name(frames.fps, frames.long_side, frames.size),
        "fps": frames.fps,
        "long_side": frames.long_side,
        "size": list(frames.size) if frames.size else None,
        "quality": EXACT_QUALITY if exact else QUALITY,
        "wide_fps": None,
        "wide_long_side": None,
    }


def _rung(wanted: N | None, ladder: tuple[N, ...], name: str) -> N | None:
    if wanted is None:
        return None
    if wanted <= 0:
        raise ValueError(f"{name} must be positive, not {wanted}")
    return next((rung for rung in ladder if rung >= wanted), ladder[-1])
