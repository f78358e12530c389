"""Running the moderation network over a stream of frames."""

from __future__ import annotations

import cv2
import numpy as np

from kadr.contracts.media import FrameStream
from kadr.contracts.model import Model

SIDE = 224


def rate(frames: FrameStream, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """(t_ms int64 [F], probabilities float32 [F, labels]). A repeated picture is looked at once."""
    times, shown = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=bool)]
    rated = [np.zeros((0, len(model.labels)), dtype=np.float32)]
    for batch in frames:
        fresh = ~batch.repeated
        fresh[:1] |= len(rated) == 1
        times.append(batch.t_ms)
        shown.append(fresh)
        rated += _rated(batch.images[fresh], model)
    picture = np.cumsum(np.concatenate(shown)) - 1
    return np.concatenate(times), np.concatenate(rated)[picture]


def _rated(images: np.ndarray, model: Model) -> list[np.ndarray]:
    """Probabilities of ``images`` (uint8 [N, H, W, 3]) in batches that the card allows."""
    limit = model.card.batch.max
    return [_run(images[at : at + limit], model) for at in range(0, len(images), limit)]


def _run(images: np.ndarray, model: Model) -> np.ndarray:
    pictures = np.stack([cv2.resize(i, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for i in images])
    return model.run({"x": pictures.astype(np.float32) / 255})["y"]
