"""Upright pictures of square pixels: orientation, aspect ratio and the sizes of packs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

_EXIF = {
    (False, False, False): 1,
    (False, True, False): 2,
    (False, True, True): 3,
    (False, False, True): 4,
    (True, False, False): 5,
    (True, True, False): 6,
    (True, True, True): 7,
    (True, False, True): 8,
}
_STEPS = {orientation: steps for steps, orientation in _EXIF.items()}
_CLOCKWISE = {1: 0, 2: 0, 3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
_ODD_PIXELS = 16


def orientation_of(matrix: Sequence[int]) -> int:
    """EXIF orientation (1–8) nearest to a 3 × 3 display matrix given row by row (ISO/IEC 14496-12, 6.2.2)."""
    a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _EXIF[(False, a < 0, d < 0)]
    return _EXIF[(True, c < 0, b < 0)]


def rotation_of(orientation: int) -> int:
    """Degrees clockwise that a picture of this EXIF orientation is turned for display: 0, 90, 180 or 270."""
    return _CLOCKWISE[orientation]


def upright(image: np.ndarray[Any, Any], orientation: int) -> np.ndarray[Any, Any]:
    """``image`` [H, W, 3] as it is meant to be seen, contiguous."""
    transposed, horizontal, vertical = _STEPS[orientation]
    turned = image.swapaxes(0, 1) if transposed else image
    turned = turned[:: -1 if vertical else 1, :: -1 if horizontal else 1]
    return np.ascontiguousarray(turned)


def turned(width: int, height: int, orientation: int) -> tuple[int, int]:
    """(width, height) before or after the orientation is applied: turning by 90 degrees swaps them."""
    return (height, width) if _STEPS[orientation][0] else (width, height)


def displayed_size(
    width: int, height: int, pixel_aspect: Fraction | None, orientation: int
) -> tuple[int, int]:
    """(width, height) of the upright picture in square pixels. Absurd pixel aspect ratios are ignored."""
    aspect = pixel_aspect or Fraction(1)
    if not Fraction(1, _ODD_PIXELS) <= aspect <= _ODD_PIXELS:
        aspect = Fraction(1)
    return turned(max(1, round(width * aspect)), height, orientation)


def pack_size(width: int, height: int, long_side: int | None, size: Sequence[int] | None) -> tuple[int, int]:
    """Size of a pack's pictures: exactly ``size``, or at most ``long_side`` without ever enlarging."""
    if size is not None:
        return int(size[0]), int(size[1])
    scale = min(1.0, long_side / max(width, height)) if long_side else 1.0
    return max(1, round(width * scale)), max(1, round(height * scale))
