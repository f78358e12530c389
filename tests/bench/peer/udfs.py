"""Kadr's models as Pixeltable's functions: the same weights, sizes and preprocessing, in its batches.

Not imported by Kadr or its tests: it runs in the environment that ``pixeltable_peer.py`` makes.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pixeltable as pxt
from PIL import Image

from cli.compose import Machine
from kadr.contracts.media import ChunkSpan, FrameBatch
from kadr.pipeline import catalogue
from kadr.pipeline.profiles import load_profile

BATCH = 8
_NODES = {n.component: n for n in Machine().question(load_profile("standard")).graph.nodes}
_MODELS: dict[str, Any] = {}


class _Few:
    """Some frames of a video as a FrameStream."""

    def __init__(self, images: list[Image.Image], long_side: int, step_ms: int) -> None:
        self.source_width, self.source_height = images[0].size
        scale = min(1.0, long_side / max(images[0].size))
        self.width, self.height = round(images[0].size[0] * scale), round(images[0].size[1] * scale)
        self.step_ms = step_ms
        sized = [i.convert("RGB").resize((self.width, self.height), Image.Resampling.BOX) for i in images]
        self._images = np.stack([np.asarray(i) for i in sized])

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[FrameBatch]:
        times = np.arange(len(self), dtype=np.int64) * self.step_ms
        yield FrameBatch(times, self._images, np.zeros(len(self), bool))


def _found(name: str, images: list[Image.Image], long_side: int, step_ms: int) -> list[str]:
    component, node = catalogue.component(name), _NODES[name]
    if name not in _MODELS:
        _MODELS[name] = Machine().registry.models(node.models, os.cpu_count() or 1)
    given = {
        "params": component.params(**{**component.neutral, **node.params}),
        "models": _MODELS[name],
        "chunk": ChunkSpan(0, len(images) * step_ms),
    }
    accepted = inspect.signature(component.function).parameters
    made = component.function(
        _Few(images, long_side, step_ms), **{k: v for k, v in given.items() if k in accepted}
    )
    said = json.dumps({k: np.asarray(a).size for k, a in made.arrays.items()})
    return [said] * len(images)


@pxt.udf(batch_size=BATCH)
def objects(images: pxt.func.Batch[Image.Image]) -> pxt.func.Batch[str]:
    return _found("objects", images, 640, 500)


@pxt.udf(batch_size=BATCH)
def tags(images: pxt.func.Batch[Image.Image]) -> pxt.func.Batch[str]:
    return _found("tags", images, 320, 1000)


@pxt.udf(batch_size=BATCH)
def texts(images: pxt.func.Batch[Image.Image]) -> pxt.func.Batch[str]:
    return _found("ocr", images, 1280, 1000)


@pxt.udf
def words(audio: pxt.Audio) -> str:
    from faster_whisper import WhisperModel

    if "speech" not in _MODELS:
        folder = Machine().registry.files("whisper_base").main.parent
        _MODELS["speech"] = WhisperModel(str(folder), compute_type="int8", cpu_threads=os.cpu_count() or 1)
    segments, _ = _MODELS["speech"].transcribe(audio, vad_filter=True, word_timestamps=True, beam_size=1)
    return " ".join(s.text for s in segments)
