"""Lay the shots along the reel: which frames each owns, and the picture at every frame."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reel_kit.drawing import Picture, mix
from reel_kit.pictures import FPS
from reel_kit.storyboard import Shot

FRAME_MS = 1000 // FPS


@dataclass(frozen=True)
class Placed:
    """A shot and the reel's frames in which it is on: `first` up to, not including, `last`."""

    shot: Shot
    first: int
    last: int


def lay_out(shots: tuple[Shot, ...]) -> tuple[Placed, ...]:
    """Put the shots one behind another; a dissolve pulls its shot over the end of the one before."""
    placed: list[Placed] = []
    end = 0
    for shot in shots:
        first = end - (shot.mix_frames if shot.begins == "dissolve" else 0)
        end = first + shot.frames
        placed.append(Placed(shot, first, end))
    return tuple(placed)


def compose(placed: tuple[Placed, ...]) -> Iterator[Picture]:
    """Every frame of the reel in order, transitions included."""
    for number, now in enumerate(placed):
        before = placed[number - 1] if number else None
        after = placed[number + 1] if number + 1 < len(placed) else None
        own_until = after.first if after else now.last
        for frame in range(now.first, own_until):
            yield _frame(before, now, after, frame)


def _frame(before: Placed | None, now: Placed, after: Placed | None, frame: int) -> Picture:
    i = frame - now.first
    picture = now.shot.picture.at(i)
    entering = (i + 1) / (now.shot.mix_frames + 1)
    if now.shot.begins == "dissolve" and entering < 1 and before is not None:
        return mix(before.shot.picture.at(frame - before.first), picture, entering)
    if now.shot.begins == "fade" and entering < 1:
        return mix(np.zeros_like(picture), picture, entering)
    if after is not None and after.shot.begins == "fade":
        leaving = (now.last - frame) / (after.shot.mix_frames + 1)
        return mix(np.zeros_like(picture), picture, min(1.0, leaving))
    return picture
