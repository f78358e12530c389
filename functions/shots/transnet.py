"""TransNetV2 over an every-frame pack (T. Souček, J. Lokoč, "TransNet V2", 2020): windows of 100 frames, the middle 50 count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from functions.shots.signals import Signals
from kadr.contracts.media import FrameStream
from kadr.contracts.model import Model

Array = np.ndarray[Any, Any]
WINDOW, STRIDE, EDGE = 100, 50, 25


def with_transnet(signals: Signals, frames: FrameStream, model: Model) -> Signals:
    """``signals`` with the model's probabilities, one a frame."""
    single, both = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    for window in _windows(frames):
        outputs = model.run({"frames": window[None]})
        single.append(outputs["single"][0, EDGE : EDGE + STRIDE])
        both.append(outputs["all"][0, EDGE : EDGE + STRIDE])
    count = len(signals)
    return replace(signals, single=np.concatenate(single)[:count], all=np.concatenate(both)[:count])


def _windows(frames: FrameStream) -> Iterator[Array]:
    """uint8 [100, 27, 48, 3] every 50 frames; the first and the last frame stand in for what is beyond them."""
    held: list[Array] = []
    for batch in frames:
        for image in batch.images:
            held.extend([image] * (EDGE + 1 if not held else 1))
            if len(held) == WINDOW:
                yield np.stack(held)
                held = held[STRIDE:]
    while len(held) > EDGE:
        yield np.stack(held + [held[-1]] * (WINDOW - len(held)))
        held = held[STRIDE:]
