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
from kadr.contracts.errors import InvalidObject

Picture = np.ndarray[Any, Any]


class Still(NamedTuple):
    """A stored picture: a JPEG, and the time from which it shows."""

    t_ms: int
    jpeg: np.ndarray[Any, Any]


class Track(NamedTuple):
    """``end``: of the files' names; ``arrays``: what the result of ``shots`` calls the pictures."""

    end: str
    arrays: str


TRACKS = {"regular": Track(".storyboard", "story"), "shots": Track(".storyboard-shots", "keyframe")}
COLUMNS, ROWS = 10, 10
QUALITY = 80


def export(source: Source, options: Options) -> Exported:
    """For each track its grids, ``options.width`` pixels a picture, and its cues: each shows until the next one's time, the last
    until the end of what the run was asked about.

    Raises InvalidObject for a stored picture that cannot be decoded.
    """
    made: dict[str, bytes] = {}
    notes = []
    for name in options.what:
        stills = _stored(source.artifact("shots") or Artifact(), TRACKS[name].arrays)
        if not stills:
            notes.append(f"storyboard {name}: there are no pictures{source.why_empty('shots')}")
        made |= _track(source, name, stills, options.width)
    return Exported(made, tuple(notes))


def _stored(artifact: Artifact, name: str) -> list[Still]:
    """JPEG i is bytes [offsets[i], offsets[i + 1])."""
    if f"{name}_ms" not in artifact.arrays:
        return []
    data, ends = artifact[f"{name}_bytes"], pairwise(artifact[f"{name}_offsets"].tolist())
    return [
        Still(t_ms, data[a:b]) for t_ms, (a, b) in zip(artifact[f"{name}_ms"].tolist(), ends, strict=True)
    ]


def _decoded(still: Still) -> Picture:
    """BGR. Raises InvalidObject."""
    picture = cv2.imdecode(still.jpeg, cv2.IMREAD_COLOR) if len(still.jpeg) else None
    if picture is None:
        what_to_do = "`kadr analyze --refresh` of the same video makes it again"
        raise InvalidObject(f"the stored picture at {still.t_ms} ms is damaged: {what_to_do}")
    return np.asarray(picture)


def _size(source: Source, first: Picture, width: int) -> tuple[int, int]:
    """Width and height of every picture, in the video's own proportions."""
    facts = source.found["video"]["picture"] or {"width": first.shape[1], "height": first.shape[0]}
    return width, max(1, round(width * facts["height"] / facts["width"]))


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    smaller = picture.shape[1] >= size[0]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC))


def _track(source: Source, name: str, stills: Sequence[Still], wide: int) -> dict[str, bytes]:
    sheet = COLUMNS * ROWS
    ends = [f"{TRACKS[name].end}-{i + 1}.jpg" for i in range(-(-len(stills) // sheet))]
    width, height = _size(source, _decoded(stills[0]), wide) if stills else (wide, 0)
    times = [*(s.t_ms for s in stills), source.end_ms]
    cues = []
    for i, (start, end) in enumerate(pairwise(times)):
        row, column = divmod(i % sheet, COLUMNS)
        part = f"{column * width},{row * height},{width},{height}"
        cues.append((start, max(end, start + 1), f"{quote(source.stem + ends[i // sheet])}#xywh={part}"))
    grids = {end: _grid(stills[i * sheet : (i + 1) * sheet], (width, height)) for i, end in enumerate(ends)}
    return {f"{TRACKS[name].end}.vtt": document(source.maker, cues).encode(), **grids}


def _grid(stills: Sequence[Still], size: tuple[int, int]) -> bytes:
    """A JPEG of at most COLUMNS × ROWS pictures, black where there are none; one picture is decoded at a time."""
    width, height = size
    columns, rows = min(COLUMNS, len(stills)), -(-len(stills) // COLUMNS)
    grid = np.zeros((rows * height, columns * width, 3), np.uint8)
    for i, still in enumerate(stills):
        y, x = i // COLUMNS * height, i % COLUMNS * width
        grid[y : y + height, x : x + width] = _fitted(_decoded(still), size)
    return cv2.imencode(".jpg", grid, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
