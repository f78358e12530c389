"""COCO's JSON (https://cocodataset.org/#format-data) of objects and faces, with TAO's additions for video: videos, tracks, frames.

``images`` are the sampled frames in which something was found. No picture files go along: ``file_name`` is what to call them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exports.source import Exported, Options, Source
from kadr.contracts.artifact import Artifact

VIDEO = 1
"""The id of the only video."""
FACE = "face"


@dataclass(frozen=True)
class Seen:
    """A detection: box [x1, y1, x2, y2] in pixels of the upright source; ``track`` is its place among its component's."""

    t_ms: int
    box: tuple[float, float, float, float]
    score: float
    label: str
    kind: str
    track: int


def export(source: Source, options: Options) -> Exported:
    """Ids count from 1 in the order of time; boxes keep the 0.1 px that they are stored with."""
    found = {kind: source.artifact(kind) for kind in options.what}
    labels = [n for kind, a in found.items() if a is not None for n in _labels(kind, a)]
    seen = sorted(
        (d for kind, a in found.items() if a is not None for d in _seen(kind, a)), key=lambda d: d.t_ms
    )
    times = {t: i + 1 for i, t in enumerate(dict.fromkeys(d.t_ms for d in seen))}
    categories = {label: i + 1 for i, label in enumerate(dict.fromkeys(labels))}
    pairs = dict.fromkeys((d.kind, d.track) for d in seen if d.track >= 0)
    tracks = {pair: i + 1 for i, pair in enumerate(pairs)}
    body = {
        "info": _info(source),
        "licenses": [],
        "videos": [{"id": VIDEO, "name": source.stem, **_extent(source)}],
        "categories": [{"id": i, "name": label} for label, i in categories.items()],
        "images": [_image(source, t, i) for t, i in times.items()],
        "tracks": [
            {"id": i, "video_id": VIDEO, "category_id": category}
            for i, category in _of_tracks(seen, tracks, categories)
        ],
        "annotations": [
            _annotation(i + 1, d, times[d.t_ms], categories[d.label], tracks.get((d.kind, d.track)))
            for i, d in enumerate(seen)
        ],
    }
    notes = () if seen else (f"coco: nothing was detected{source.why_empty(*options.what)}",)
    return Exported.one(".coco.json", json.dumps(body, indent=1) + "\n", *notes)


def _labels(kind: str, artifact: Artifact) -> list[str]:
    return [FACE] if kind == "faces" else list(map(str, artifact.payload.get("labels", ())))


def _seen(kind: str, artifact: Artifact) -> Iterator[Seen]:
    if "det_t_ms" not in artifact.arrays:
        return
    labels = _labels(kind, artifact)
    which = [0] * len(artifact["det_t_ms"]) if kind == "faces" else artifact["det_label"].tolist()
    columns = (artifact[f"det_{name}"].tolist() for name in ("t_ms", "box", "score", "track"))
    for (t_ms, box, score, track), label in zip(zip(*columns, strict=True), which, strict=True):
        x1, y1, x2, y2 = (round(v, 1) for v in box)
        yield Seen(t_ms, (x1, y1, x2, y2), round(score, 4), labels[label], kind, track)


def _of_tracks(
    seen: list[Seen], tracks: Mapping[tuple[str, int], int], categories: Mapping[str, int]
) -> Iterator[tuple[int, int]]:
    """Each track's id and category: its detections' label."""
    label = {(d.kind, d.track): d.label for d in seen}
    for pair, i in tracks.items():
        yield i, categories[label[pair]]


def _info(source: Source) -> dict[str, str]:
    run, video = source.found["run"], source.found["video"]
    return {
        "description": f"{source.stem}, detected by {source.maker}",
        "run_id": run["run_id"],
        "video_id": video["video_id"],
    }


def _extent(source: Source) -> dict[str, int]:
    picture = source.found["video"]["picture"] or {"width": 0, "height": 0}
    return {"width": picture["width"], "height": picture["height"]}


def _image(source: Source, t_ms: int, number: int) -> dict[str, Any]:
    name = f"{source.stem}/{t_ms:09}.jpg"
    return {
        "id": number,
        "video_id": VIDEO,
        "frame_index": number - 1,
        "timestamp_ms": t_ms,
        "file_name": name,
        **_extent(source),
    }


def _annotation(number: int, seen: Seen, image: int, category: int, track: int | None) -> dict[str, Any]:
    x1, y1, x2, y2 = seen.box
    width, height = round(x2 - x1, 1), round(y2 - y1, 1)
    facts = {
        "id": number, "image_id": image, "video_id": VIDEO, "category_id": category, "bbox": [x1, y1, width, height],
        "area": round(width * height, 2), "iscrowd": 0, "score": seen.score,
    }  # fmt: skip
    return facts if track is None else {**facts, "track_id": track}
