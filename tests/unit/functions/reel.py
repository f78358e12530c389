"""Sampled frames of the sample reel, for component tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from kadr.contracts.component import Frames
from kadr.contracts.packs import view_of
from kadr.media.pack import FramePack
from kadr.media.source import FileSource
from tests.media_files import packs_of
from tests.unit.functions.frames import MemoryFrames

REEL = Path(__file__).parents[3] / "samples" / "reel.mp4"


@cache
def reel_frames(from_ms: int, to_ms: int, fps: float = 1, long_side: int = 320) -> MemoryFrames:
    """The reel's frames whose time is in [from_ms, to_ms); both should be multiples of the sampling step."""
    images: list[np.ndarray] = []
    frames = Frames(fps=fps, long_side=long_side)
    for _, (made,) in packs_of(FileSource(REEL), frames, from_ms=from_ms, to_ms=to_ms):
        pack = FramePack(made, view_of(frames))
        for batch in pack:
            for image, repeated in zip(batch.images, batch.repeated, strict=True):
                images.append(images[-1] if repeated and images else image)
    return MemoryFrames(images, pack.step_ms, from_ms, pack.source_width / pack.width)
