"""What is measured on every frame, before anything is decided: all of it local, so that chunks agree where they overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from scenedetect import ContentDetector, FrameTimecode, StatsManager

from kadr.contracts.media import FrameBatch, FrameStream

Array = np.ndarray[Any, Any]

SMALL = (24, 14)
"""Width and height at which dissolves and flashes are looked for: enough to tell pictures apart, too little for noise."""
HALF_WIDTHS_MS = (160, 320, 640)
FLASH_MS = 250
_FLASH_SCORE = 8.0
_FLASH_RETURN = 0.35
_RATE = 25.0
"""Frames are only numbered for PySceneDetect; no time is derived from its rate."""
_BLOCK = 1024


@dataclass(frozen=True)
class Signals:
    """One value a frame, in time order.

    ``t_ms`` int64; ``content`` float32: PySceneDetect's content score against the frame before (0–255); ``motion``
    float32: its luma part; ``luma`` float32: mean of all channels; ``gradual`` float32: how strongly the pictures around
    blend linearly into each other (0–255); ``half_ms`` int32: over what half-width; ``flash`` uint8: 1 where a jump is undone
    within FLASH_MS; ``single``, ``all`` float32: TransNetV2's probabilities, zeros without it.
    """

    t_ms: Array
    content: Array
    motion: Array
    luma: Array
    gradual: Array
    half_ms: Array
    flash: Array
    single: Array
    all: Array

    def __len__(self) -> int:
        return len(self.t_ms)

    def where(self, mask: Array) -> Signals:
        return Signals(*(getattr(self, f.name)[mask] for f in fields(self)))

    @staticmethod
    def joined(pieces: list[Signals]) -> Signals:
        return Signals(*(np.concatenate([getattr(p, f.name) for p in pieces]) for f in fields(Signals)))


def measure(frames: FrameStream) -> Signals:
    """The signals of an every-frame pack, one pass over its pictures; memory: a few hundred bytes a frame."""
    rows, small = _pass(frames)
    t_ms = np.array([row[0] for row in rows], dtype=np.int64)
    content, motion, luma = (np.array([row[i] for row in rows], dtype=np.float32) for i in (1, 2, 3))
    gradual, half_ms = _gradual(t_ms, small)
    zeros = np.zeros(len(t_ms), dtype=np.float32)
    return Signals(
        t_ms, content, motion, luma, gradual, half_ms, _flashes(t_ms, small, content), zeros, zeros
    )


def _pass(frames: FrameStream) -> tuple[list[tuple[int, float, float, float]], Array]:
    detector, stats = ContentDetector(), StatsManager()
    detector.stats_manager = stats
    rows: list[tuple[int, float, float, float]] = []
    small: list[Array] = []
    for t_ms, image, repeated in _frames(frames):
        if repeated:
            rows.append((t_ms, 0.0, 0.0, rows[-1][3]))
            small.append(small[-1])
            continue
        timecode = FrameTimecode(len(rows), fps=_RATE)
        detector.process_frame(timecode, image[..., ::-1])
        content, motion = stats.get_metrics(timecode, ["content_val", "delta_lum"])
        rows.append((t_ms, content or 0.0, motion or 0.0, float(image.mean())))
        small.append(cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), SMALL, interpolation=cv2.INTER_AREA))
    return rows, np.stack(small) if small else np.zeros((0, SMALL[1], SMALL[0]), dtype=np.uint8)


def _frames(frames: FrameStream) -> Iterator[tuple[int, Array, bool]]:
    batch: FrameBatch
    for batch in frames:
        for i in range(len(batch)):
            yield int(batch.t_ms[i]), np.ascontiguousarray(batch.images[i]), bool(batch.repeated[i])


def _gradual(t_ms: Array, small: Array) -> tuple[Array, Array]:
    """(strength float32 [F], half-width int32 [F]). In a dissolve every picture is a mean of the outer ones, weighted by time.

    Strength is how much the outer pictures differ, less what the pictures between depart from that mean; the idea is the
    linear model of dissolves in A. Hanjalic, "Shot-boundary detection: unraveled and resolved?", IEEE TCSVT 12 (2002).
    """
    best = np.zeros(len(t_ms), dtype=np.float32)
    half = np.zeros(len(t_ms), dtype=np.int32)
    for width in HALF_WIDTHS_MS:
        for at in range(0, len(t_ms), _BLOCK):
            centres = np.arange(at, min(at + _BLOCK, len(t_ms)))
            strength = _linearity(t_ms, small, centres, width)
            better = strength > best[centres] * 1.1
            best[centres[better]] = strength[better]
            half[centres[better]] = width
    return best, half


def _linearity(t_ms: Array, small: Array, centres: Array, width: int) -> Array:
    first, last = _at(t_ms, t_ms[centres] - width), _at(t_ms, t_ms[centres] + width)
    a, b = small[first].astype(np.float32), small[last].astype(np.float32)
    span = np.maximum(t_ms[last] - t_ms[first], 1)
    apart = np.abs(b - a).mean(axis=(1, 2))
    departure = np.zeros(len(centres), dtype=np.float32)
    for offset in (-width // 2, 0, width // 2):
        between = _at(t_ms, t_ms[centres] + offset)
        weight = ((t_ms[between] - t_ms[first]) / span).astype(np.float32)[:, None, None]
        departure += np.abs(small[between] - (a + (b - a) * weight)).mean(axis=(1, 2)) / 3
    whole = (t_ms[centres] - width >= t_ms[0]) & (t_ms[centres] + width <= t_ms[-1])
    enough = last - first >= 4
    return np.where(whole & enough, np.maximum(apart - 4 * departure, 0), 0).astype(np.float32)


def _at(t_ms: Array, wanted: Array) -> Array:
    """Index of the frame on display at each time."""
    return np.clip(np.searchsorted(t_ms, wanted, side="right") - 1, 0, len(t_ms) - 1)


def _flashes(t_ms: Array, small: Array, content: Array) -> Array:
    flashes = np.zeros(len(t_ms), dtype=np.uint8)
    for i in np.nonzero(content >= _FLASH_SCORE)[0]:
        flashes[i] = i > 0 and _is_undone(t_ms, small, int(i))
    return flashes


def _is_undone(t_ms: Array, small: Array, i: int) -> bool:
    """Whether the picture before ``i`` comes back soon, or the one at ``i`` was there shortly before."""
    jump = _distance(small[i], small[i - 1])
    after = range(i + 1, int(np.searchsorted(t_ms, t_ms[i] + FLASH_MS, side="right")))
    before = range(int(np.searchsorted(t_ms, t_ms[i] - FLASH_MS)), i - 1)
    returns = [_distance(small[i - 1], small[k]) for k in after] + [
        _distance(small[i], small[k]) for k in before
    ]
    return bool(returns) and min(returns) < _FLASH_RETURN * jump


def _distance(one: Array, other: Array) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())
