"""A storyboard: stored pictures in grids, and a WebVTT track that says which part of which grid shows which time.

The track's cues are image URLs with a spatial media fragment (W3C Media Fragments, ``#xywh=x,y,width,height``), as Vidstack,
JW Player, Plyr and plugins of Video.js take for thumbnails.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote

import cv2
import numpy as np

from exports.source import Exported, Options, Source
from exports.webvtt import document
from kadr.contracts.artifact import Artifact

Picture = np.ndarray[Any, Any]


class Track(NamedTuple):
    """``end``: of the files' names; ``arrays``: what the result of ``shots`` calls the pictures."""

    end: str
    arrays: str


TRACKS = {"regular": Track(".storyboard", "story"), "shots": Track(".storyboard-shots", "keyframe")}
COLUMNS, ROWS = 10, 10
QUALITY = 80


def export(source: Source, options: Options) -> Exported:
    """For each track its grids, ``options.width`` pixels a picture, and its cues: each shows until the next one's time."""
    made: dict[str, bytes] = {}
    notes = []
    for name in options.what:
        times, pictures = _stored(source.artifact("shots") or Artifact(), TRACKS[name].arrays)
        if not pictures:
            notes.append(f"storyboard {name}: there are no pictures{source.why_empty('shots')}")
        made |= _track(
            source, name, times, [_fitted(p, _size(source, pictures[0], options.width)) for p in pictures]
        )
    return Exported(made, tuple(notes))


def _stored(artifact: Artifact, name: str) -> tuple[list[int], list[Picture]]:
    """Times and BGR pictures; JPEG i is bytes [offsets[i], offsets[i + 1])."""
    if f"{name}_ms" not in artifact.arrays:
        return [], []
    data, offsets = artifact[f"{name}_bytes"], artifact[f"{name}_offsets"].tolist()
    return artifact[f"{name}_ms"].tolist(), [
        np.asarray(cv2.imdecode(data[a:b], cv2.IMREAD_COLOR)) for a, b in pairwise(offsets)
    ]


def _size(source: Source, first: Picture, width: int) -> tuple[int, int]:
    """Width and height of every picture, in the video's own proportions."""
    facts = source.found["video"]["picture"] or {"width": first.shape[1], "height": first.shape[0]}
    return width, max(1, round(width * facts["height"] / facts["width"]))


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    smaller = picture.shape[1] >= size[0]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC))


def _track(source: Source, name: str, times: Sequence[int], pictures: Sequence[Picture]) -> dict[str, bytes]:
    sheet = COLUMNS * ROWS
    ends = [f"{TRACKS[name].end}-{i + 1}.jpg" for i in range(-(-len(pictures) // sheet))]
    cues = []
    for i, (start, end) in enumerate(pairwise([*times, source.found["video"]["duration_ms"]])):
        row, column = divmod(i % sheet, COLUMNS)
        height, width = pictures[i].shape[:2]
        part = f"{column * width},{row * height},{width},{height}"
        cues.append((start, max(end, start + 1), f"{quote(source.stem + ends[i // sheet])}#xywh={part}"))
    grids = {end: _grid(pictures[i * sheet : (i + 1) * sheet]) for i, end in enumerate(ends)}
    return {f"{TRACKS[name].end}.vtt": document(source.maker, cues).encode(), **grids}


def _grid(pictures: Sequence[Picture]) -> bytes:
    """A JPEG of at most COLUMNS × ROWS pictures, black where there are none."""
    height, width = pictures[0].shape[:2]
    columns, rows = min(COLUMNS, len(pictures)), -(-len(pictures) // COLUMNS)
    grid = np.zeros((rows * height, columns * width, 3), np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // COLUMNS * height, i % COLUMNS * width
        grid[y : y + height, x : x + width] = picture
    return cv2.imencode(".jpg", grid, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
