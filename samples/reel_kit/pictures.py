"""The moving pictures of the reel.

Each has `at(i)`: the i-th frame of a shot, an RGB array uint8 [720, 1280, 3].
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from reel_kit.drawing import (
    HEIGHT,
    MARGIN,
    WIDTH,
    Colour,
    Line,
    Picture,
    backdrop,
    caption,
    lay_over,
    write_lines,
)

FPS = 25


class Moving(Protocol):
    """Something that can be shown for a while."""

    def at(self, i: int) -> Picture:
        """Frame i, counted from the start of the shot."""
        ...


@dataclass(frozen=True)
class Card:
    """A title card; unless it is still, a light drifts behind the text and a bar grows under it."""

    lines: tuple[Line, ...]
    top: Colour
    bottom: Colour
    accent: Colour
    still: bool = False

    @cached_property
    def _text(self) -> tuple[Picture, Picture]:
        black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        mask = write_lines(black, tuple(Line(line.text, line.size, (255, 255, 255)) for line in self.lines))
        ground = backdrop(self.top, self.bottom)
        return write_lines(ground, self.lines), mask

    @cached_property
    def _glow(self) -> Picture:
        x = (np.arange(2 * WIDTH) - WIDTH) / (WIDTH * 0.32)
        y = (np.arange(HEIGHT) - HEIGHT * 0.45) / (HEIGHT * 0.6)
        light = np.exp(-(x[None, :] ** 2) - y[:, None] ** 2)[..., None] * np.array(self.bottom) * 0.5
        return np.asarray(light.round(), dtype=np.uint8)

    def at(self, i: int) -> Picture:
        """Frame i; the text itself never moves."""
        text, mask = self._text
        if self.still:
            return text
        offset = int(WIDTH * 0.35 + i * 1.6)
        lit = cv2.add(text, self._glow[:, WIDTH - offset : 2 * WIDTH - offset])
        frame = np.where(mask > 0, text, lit).astype(np.uint8)
        grown = int(min(1.0, i / 15) ** 0.5 * 220)
        frame[HEIGHT - 110 : HEIGHT - 104, MARGIN : MARGIN + grown] = self.accent
        return frame


@dataclass(frozen=True)
class Film:
    """A stretch of a video file at 25 fps, the nearest frame picked; it can turn back at its end."""

    path: Path
    start_ms: int
    end_ms: int
    there_and_back: bool = False

    @cached_property
    def _frames(self) -> list[Picture]:
        with av.open(str(self.path)) as container:
            timed = [
                (frame.time or 0.0, frame.to_ndarray(format="rgb24"))
                for frame in container.decode(video=0)
                if self.start_ms <= (frame.time or 0.0) * 1000 < self.end_ms
            ]
        marks = [(a + b) / 2 for (a, _), (b, _) in pairwise(timed)]
        count = (self.end_ms - self.start_ms) * FPS // 1000
        picks = np.searchsorted(marks, self.start_ms / 1000 + np.arange(count) / FPS)
        return [timed[pick][1] for pick in picks]

    def at(self, i: int) -> Picture:
        """Frame i; past the end the last frame stays, or the film runs backwards."""
        last = len(self._frames) - 1
        if self.there_and_back:
            i = last - abs(last - i % (2 * last))
        return _fill_frame(self._frames[min(i, last)])


@dataclass(frozen=True)
class Photo:
    """A photograph under a slowly moving window.

    `start` and `end` are windows (centre x, centre y, width) in shares of the photograph's width and height.
    """

    path: Path
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    frames: int

    @cached_property
    def _pixels(self) -> Picture:
        pixels = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if pixels is None:
            raise ValueError(f"{self.path} is not a picture that OpenCV can read")
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    def at(self, i: int) -> Picture:
        """Frame i of the slow move, eased at both ends."""
        share = min(1.0, i / max(1, self.frames - 1))
        eased = share * share * (3 - 2 * share)
        cx, cy, wide = (a + (b - a) * eased for a, b in zip(self.start, self.end, strict=True))
        height, width = self._pixels.shape[:2]
        scale = WIDTH / (wide * width)
        move = np.array(
            [[scale, 0, WIDTH / 2 - cx * width * scale], [0, scale, HEIGHT / 2 - cy * height * scale]]
        )
        warped = cv2.warpAffine(
            self._pixels, move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(warped, dtype=np.uint8)


@dataclass(frozen=True)
class SideBySide:
    """Two moving pictures next to each other, each cropped around its centre (a share of its width)."""

    left: Moving
    right: Moving
    left_centre: float
    right_centre: float

    def at(self, i: int) -> Picture:
        """Frame i of both."""
        halves = (_half(self.left.at(i), self.left_centre), _half(self.right.at(i), self.right_centre))
        frame = np.concatenate(halves, axis=1)
        frame[:, WIDTH // 2 - 3 : WIDTH // 2 + 3] = (245, 245, 240)
        return frame


@dataclass(frozen=True)
class Captioned:
    """A moving picture with a lower third from frame `first` to before frame `last`, faded in and out."""

    below: Moving
    title: str
    small: str
    accent: Colour
    first: int
    last: int
    fade: int = field(default=8)

    @cached_property
    def _caption(self) -> tuple[Picture, NDArray[np.float32]]:
        return caption(self.title, self.small, self.accent)

    def at(self, i: int) -> Picture:
        """Frame i with as much of the lower third as is up by then."""
        share = min(1.0, (i - self.first + 1) / self.fade, (self.last - i) / self.fade)
        if share <= 0:
            return self.below.at(i)
        above, opacity = self._caption
        return lay_over(self.below.at(i), above, opacity * np.float32(share))


def _fill_frame(pixels: Picture) -> Picture:
    if pixels.shape[:2] == (HEIGHT, WIDTH):
        return pixels
    return np.asarray(cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _half(frame: Picture, centre: float) -> Picture:
    left = int(min(max(centre * WIDTH - WIDTH / 4, 0), WIDTH / 2))
    return frame[:, left : left + WIDTH // 2]
