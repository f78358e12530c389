"""Cards and captions: text on pictures, drawn with the CC0 font that Pillow carries.

A picture is an RGB array uint8 [720, 1280, 3]. The font knows no accented letters, so all texts are ASCII.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1280, 720
Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

WHITE: Colour = (245, 245, 240)
PALE: Colour = (176, 190, 205)
MARGIN = 120


@dataclass(frozen=True)
class Line:
    """One line of text on a card: its words, height in pixels and colour."""

    text: str
    size: int
    colour: Colour = WHITE


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType: install its ordinary wheel")
    return font


def backdrop(top: Colour, bottom: Colour) -> Picture:
    """A vertical gradient between two colours."""
    ramp = np.linspace(0.0, 1.0, HEIGHT)[:, None, None]
    column = (1 - ramp) * np.array(top) + ramp * np.array(bottom)
    return np.ascontiguousarray(np.broadcast_to(column, (HEIGHT, WIDTH, 3)).round().astype(np.uint8))


def write_lines(picture: Picture, lines: tuple[Line, ...], gap: int = 26) -> Picture:
    """Write lines at the left margin, the block centred in height."""
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    y = (HEIGHT - sum(line.size + gap for line in lines) + gap) // 2
    for line in lines:
        pen.text((MARGIN, y), line.text, font=_font(line.size), fill=line.colour)
        y += line.size + gap
    return np.array(canvas)


def caption(title: str, small: str, accent: Colour) -> tuple[Picture, NDArray[np.float32]]:
    """A lower third: its picture, and how opaque it is, float32 [720, 1280, 1] in 0..1."""
    left, top, high = 72, 556, 104
    wide = 56 + max(int(_font(40).getlength(title)), int(_font(24).getlength(small)))
    canvas = Image.new("RGB", (WIDTH, HEIGHT))
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((left, top, left + wide, top + high), fill=(14, 20, 32))
    pen.rectangle((left, top, left + 8, top + high), fill=accent)
    pen.text((left + 30, top + 12), title, font=_font(40), fill=WHITE)
    pen.text((left + 30, top + 64), small, font=_font(24), fill=PALE)
    opacity = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    opacity[top : top + high + 1, left : left + wide + 1] = 0.88
    return np.array(canvas), opacity


def lay_over(below: Picture, above: Picture, opacity: NDArray[np.float32]) -> Picture:
    """Blend one picture over another; opacity is float32 [720, 1280, 1] in 0..1."""
    mixed = below + (above.astype(np.float32) - below) * opacity
    return mixed.round().astype(np.uint8)


def mix(first: Picture, second: Picture, share: float) -> Picture:
    """A dissolve: `share` (0..1) of the second picture over the first."""
    return np.asarray(cv2.addWeighted(first, 1 - share, second, share, 0), dtype=np.uint8)
