"""Things in pictures: mean average precision on labelled photographs and composites, HOTA and MOTA on moving ones."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.bench.truth.film import Picture, filling, looked_over, read_picture, write
from tests.bench.truth.kadr_runs import Found, Runs
from tests.bench.truth.line import Line
from tests.bench.truth.packages import listed
from tests.bench.truth.scorers import ask

PACKAGES = ("labelme", "scikit_image")
WIDTH, HEIGHT, FPS, CARD_MS, STEP_MS = 1280, 720, 10, 1000, 500
COCO_NAMES = {"sofa": "couch"}
CUT_CLASSES = ("person", "bus", "couch")
GROUNDS = ("grass.png", "brick.png", "gravel.png", "moon.png", "rocket.jpg", "ihc.png")
HEIGHTS = (40, 60, 90, 140, 220, 340)
"""Of things in the frame of 1280×720, in pixels."""
PUBLISHED = "NanoDet 416×416, by its authors on COCO val: mAP 0.235 to 0.304, by model; which of them these weights are is not known"
SEEN = (
    "the frame packs' sizes and JPEG quality were tried on it, and the score from which the first sentences name a thing was "
    "taken from it"
)
TRACKS_SEEN = "how looks tell tracks apart was tried on these films, and the frame packs' JPEG quality was chosen by their HOTA"
Boxes = list[dict[str, Any]]
"""label, box (x1, y1, x2, y2), and of what was found score and track."""


@dataclass(frozen=True)
class Cutout:
    """A thing cut out of its photograph: RGB and how opaque it is, uint8 [H, W, 4]."""

    label: str
    image: np.ndarray

    def high(self, height: int) -> Cutout:
        width = max(1, round(self.image.shape[1] * height / self.image.shape[0]))
        shrinks = height < self.image.shape[0]
        return Cutout(self.label, cv2.resize(self.image, (width, height),
                                             interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))  # fmt: skip


def outlines(path: Path) -> list[tuple[str, list[np.ndarray]]]:
    """(COCO label, polygons [N, 2]) of each thing that labelme's file outlines; pieces of one group are one thing."""
    groups: defaultdict[tuple[str, Any], list[np.ndarray]] = defaultdict(list)
    for i, shape in enumerate(json.loads(path.read_text())["shapes"]):
        group = i if shape["group_id"] is None else f"group {shape['group_id']}"
        groups[shape["label"], group].append(np.array(shape["points"]))
    return [
        (COCO_NAMES.get(label, label), parts) for (label, _), parts in groups.items() if label != "__ignore__"
    ]


def photographs(place: Path) -> list[Path]:
    return sorted(place.rglob("instance_segmentation/data_annotated/*.jpg"))


def shown_whole(photo: Path) -> tuple[Picture, Boxes]:
    """The photograph, whole, on a black frame, and its things."""
    picture = read_picture(photo)
    scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    x, y = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    frame[y : y + size[1], x : x + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    boxes = []
    for label, parts in outlines(photo.with_suffix(".json")):
        points = np.concatenate(parts) * scale + (x, y)
        boxes.append({"label": label, "box": [*points.min(axis=0), *points.max(axis=0)]})
    return frame, boxes


def cutouts(place: Path) -> list[Cutout]:
    """Whole things of CUT_CLASSES: outlined in one piece, away from the photograph's edges, and not small."""
    found = []
    for photo in photographs(place):
        picture = read_picture(photo)
        for label, parts in outlines(photo.with_suffix(".json")):
            points = np.concatenate(parts)
            (x1, y1), (x2, y2) = points.min(axis=0).astype(int), np.ceil(points.max(axis=0)).astype(int)
            inside = x1 > 3 and y1 > 3 and x2 < picture.shape[1] - 3 and y2 < picture.shape[0] - 3
            if label in CUT_CLASSES and len(parts) == 1 and inside and y2 - y1 > 100:
                mask = np.zeros(picture.shape[:2], np.uint8)
                cv2.fillPoly(mask, [points.round().astype(np.int32)], 255)
                image = np.dstack([picture, cv2.GaussianBlur(mask, (3, 3), 0)])
                found.append(Cutout(label, np.ascontiguousarray(image[y1 : y2 + 1, x1 : x2 + 1])))
    return found


def pasted(
    frame: Picture, things: Sequence[tuple[Cutout, float, float]]
) -> tuple[Picture, list[tuple[int, list[float]]]]:
    """The frame with things laid over it, later ones on top, their middles at (x, y); of each that is at least 30 %
    visible its index and the box of what is inside the frame."""
    out, owner = frame.astype(np.float32), np.full(frame.shape[:2], -1)
    areas, boxes = [], []
    for i, (thing, x, y) in enumerate(things):
        h, w = thing.image.shape[:2]
        left, top = round(x - w / 2), round(y - h / 2)
        x1, y1, x2, y2 = max(0, left), max(0, top), min(WIDTH, left + w), min(HEIGHT, top + h)
        piece = thing.image[y1 - top : y2 - top, x1 - left : x2 - left].astype(np.float32)
        share = piece[..., 3:] / 255
        out[y1:y2, x1:x2] = out[y1:y2, x1:x2] * (1 - share) + piece[..., :3] * share
        owner[y1:y2, x1:x2][share[..., 0] > 0.5] = i
        areas.append((thing.image[..., 3] > 127).sum())
        boxes.append([float(v) for v in (x1, y1, x2, y2)])
    visible = [(i, boxes[i]) for i in range(len(things)) if (owner == i).sum() >= 0.3 * areas[i]]
    return out.round().astype(np.uint8), visible


def composites(places: Mapping[str, Path]) -> Iterator[tuple[Picture, Boxes]]:
    """Each thing in each height of HEIGHTS, three to a picture side by side, on six grounds."""
    rng = np.random.default_rng(11)
    things = cutouts(places["labelme"])
    jobs = [(thing.high(height), height) for height in HEIGHTS for thing in things for _ in range(3)]
    grounds = [
        filling(read_picture(places["scikit_image"] / "skimage/data" / g), WIDTH, HEIGHT) for g in GROUNDS
    ]
    order = rng.permutation(len(jobs))
    for at in range(0, len(order), 3):
        chosen = [jobs[i] for i in order[at : at + 3]]
        placed = []
        for column, (thing, height) in enumerate(chosen):
            reach = max(0, (HEIGHT - height) / 2 - 10)
            placed.append((thing, WIDTH * (column + 0.5) / 3, HEIGHT / 2 + rng.uniform(-reach, reach)))
        frame, visible = pasted(grounds[at // 3 % len(grounds)], placed)
        yield frame, [{"label": chosen[i][0].label, "box": box, "height": chosen[i][1]} for i, box in visible]


def stills(places: Mapping[str, Path], folder: Path) -> dict[str, tuple[Path, list[tuple[Picture, Boxes]]]]:
    """The photographs and the composites: a film of each, CARD_MS a picture, and the pictures with their things."""
    sets = {
        "photographs": [shown_whole(p) for p in photographs(places["labelme"])],
        "composites": list(composites(places)),
    }
    made = {}
    for name, shown in sets.items():
        path = folder / "made" / f"things-{name}.mp4"
        write((frame for frame, _ in shown for _ in range(FPS * CARD_MS // 1000)), path, FPS, crf=18)
        made[name] = path, shown
    return made


def detection(places: dict[str, Path], kadr: Runs, folder: Path) -> list[Line]:
    """COCO's mAP of what Kadr's tracks keep, in the middle of each still picture."""
    lines = []
    for name, (path, shown) in stills(places, folder).items():
        (found,) = kadr([path], "--only", "objects")
        told = by_time(found)
        middles = [i * CARD_MS + STEP_MS for i in range(len(shown))]
        question = [
            {"truth": boxes, "found": told.get(t, [])} for t, (_, boxes) in zip(middles, shown, strict=True)
        ]
        score = ask("detection", question, folder)
        things = sum(len(boxes) for _, boxes in shown)
        lines.append(
            Line(
                measure=f"detection mAP (0.5:0.95), {name}",
                value=score.pop("map"),
                parts=score,
                n=f"{things} things in {len(shown)} pictures",
                data=f"{listed()['labelme'].title} ({listed()['labelme'].licence})"
                + (", cut out and laid on scikit-image's pictures" if name == "composites" else ""),
                published=PUBLISHED,
                seen=SEEN,
            )
        )
    return lines


def by_time(found: Found) -> dict[int, Boxes]:
    """What is on display at each sampled time, by the merged result of ``objects``."""
    arrays, labels = found.arrays("objects"), found.payload("objects")["labels"]
    told: defaultdict[int, Boxes] = defaultdict(list)
    for i, t in enumerate(arrays["det_t_ms"]):
        told[int(t)].append(
            {
                "label": labels[int(arrays["det_label"][i])],
                "box": [float(v) for v in arrays["det_box"][i]],
                "score": float(arrays["det_score"][i]),
                "track": int(arrays["det_track"][i]),
            }
        )
    return dict(told)


@dataclass(frozen=True)
class Walk:
    """A thing that moves in a straight line and turns back at the frame's sides."""

    thing: Cutout
    x: float
    y: float
    speed: float
    """Pixels a second."""

    def at(self, seconds: float) -> tuple[Cutout, float, float]:
        half = self.thing.image.shape[1] / 2
        span = WIDTH - 2 * half
        way = (self.x - half + self.speed * seconds) % (2 * span)
        return self.thing, half + (way if way <= span else 2 * span - way), self.y


def walks(things: Sequence[Cutout], rng: np.random.Generator) -> list[Walk]:
    """Four things of different heights and speeds, the higher in front."""
    chosen = [things[i] for i in rng.choice(len(things), 4, replace=len(things) < 4)]
    heights = sorted(int(rng.integers(150, 380)) for _ in chosen)
    made = []
    for thing, height in zip(chosen, heights, strict=True):
        scaled = thing.high(height)
        half = scaled.image.shape[1] / 2
        speed = float(rng.choice([-1, 1]) * rng.uniform(30, 200))
        made.append(Walk(scaled, rng.uniform(half, WIDTH - half), HEIGHT * 0.9 - height / 2, speed))
    return made


def moving(places: Mapping[str, Path], seed: int, seconds: int, truth: dict[int, Boxes]) -> Iterator[Picture]:
    """A film of four things that walk before a ground under a slowly moving camera; fills in the truth every STEP_MS."""
    rng = np.random.default_rng(seed)
    ground = read_picture(places["scikit_image"] / "skimage/data" / GROUNDS[seed % len(GROUNDS)])
    frames = looked_over(ground, seconds * FPS, WIDTH, HEIGHT, rng, 0.3)
    placed = walks(cutouts(places["labelme"]), rng)
    for i, frame in enumerate(frames):
        shown, visible = pasted(frame, [walk.at(i / FPS) for walk in placed])
        if i * 1000 // FPS % STEP_MS == 0:
            truth[i * 1000 // FPS] = [
                {"label": placed[n].thing.label, "box": box, "track": n} for n, box in visible
            ]
        yield shown


def tracking(places: dict[str, Path], kadr: Runs, folder: Path) -> list[Line]:
    """HOTA, MOTA and identity switches, at the sampled times, classes counting."""
    paths = [folder / "made" / f"walks-{seed}.mp4" for seed in range(4)]
    truths: list[dict[int, Boxes]] = []
    for seed, path in enumerate(paths):
        truth: dict[int, Boxes] = {}
        write(moving(places, seed, 20, truth), path, FPS)
        truths.append(truth)
    found = [by_time(one) for one in kadr(paths, "--only", "objects")]
    question = [
        [{"truth": truth[t], "found": told.get(t, [])} for t in sorted(truth)]
        for truth, told in zip(truths, found, strict=True)
    ]
    score = ask("tracking", question, folder)
    return [
        Line(
            measure="tracking HOTA, composites",
            value=score.pop("hota"),
            parts=score,
            n=f"{4 * len(paths)} things in {len(paths)} films of 20 s, {sum(len(b) for t in truths for b in t.values())} boxes",
            data=f"cut-outs of {listed()['labelme'].title} ({listed()['labelme'].licence}) that walk before "
            "scikit-image's pictures, crossing each other",
            published="the tracker is Kadr's own (ByteTrack's association at 2 frames a second): nothing to compare with",
            seen=TRACKS_SEEN,
        )
    ]
