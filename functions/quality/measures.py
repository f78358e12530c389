"""What can be measured of single pictures: sharpness, light, and change from one to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from kadr.contracts.media import FrameStream

SMALL = (160, 90)
"""Width and height at which pictures are compared: coarse enough to average most of the coding noise."""
FIRST = -1.0
"""Change of a frame that has none before it."""


@dataclass
class Measures:
    """Per frame: ``values`` float32 [F, 4] are blur, luma, contrast and change. ``small``: the first and the last picture, shrunk."""

    t_ms: list[int] = field(default_factory=list)
    values: list[tuple[float, float, float, float]] = field(default_factory=list)
    small: list[np.ndarray] = field(default_factory=list)

    def add(self, t_ms: int, image: np.ndarray, repeated: bool) -> None:
        self.t_ms.append(t_ms)
        if repeated and self.values:
            self.values.append((*self.values[-1][:3], 0.0))
            return
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA)
        moved = change(self.small[-1], small) if self.small else FIRST
        self.small = [self.small[0], small] if self.small else [small, small]
        self.values.append((sharpness(grey), *light(grey), moved))


def measure(frames: FrameStream) -> Measures:
    """All frames of a chunk. A repeated picture is measured once; its change is 0."""
    made = Measures()
    for batch in frames:
        for t_ms, image, repeated in zip(
            batch.t_ms.tolist(), batch.images, batch.repeated.tolist(), strict=True
        ):
            made.add(t_ms, image, repeated)
    return made


def sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian of ``grey`` (uint8 [H, W]): small where there are no edges (Pech-Pacheco et al. 2000)."""
    return float(cv2.Laplacian(grey, cv2.CV_32F).var(dtype=np.float64))


def light(grey: np.ndarray) -> tuple[float, float]:
    """(mean, standard deviation) of ``grey``, in levels of 0–255."""
    mean, deviation = cv2.meanStdDev(grey)
    return float(mean[0, 0]), float(deviation[0, 0])


def change(before: np.ndarray, after: np.ndarray) -> float:
    """Root mean square difference of two shrunk pictures, in grey levels.

    Squares make a small place that changes much (a mouth, a cursor) weigh more than coding noise all over.
    """
    return float(np.sqrt(np.mean(np.square(before.astype(np.float32) - after), dtype=np.float64)))
