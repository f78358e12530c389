"""The expression on a face: an aligned grey crop, and what the model makes of it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from functions.faces.detector import Found
from kadr.contracts.model import Model
from kadr.craft.pictures import tensor

MARGIN = 1.2
"""Side of the crop in sides of the face's box."""


def emotions(model: Model, image: np.ndarray, found: Found) -> np.ndarray:
    """Probabilities of the model's expressions for each face of an RGB picture: float32 [D, 7]."""
    how, name, output = model.card.preprocessing, model.card.inputs[0].name, model.card.outputs[0].name
    grey, side = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), how.width or 64
    crops = [aligned(grey, box, points, side) for box, points in zip(found.boxes, found.points, strict=True)]
    batches = [crops[at : at + model.card.batch.max] for at in range(0, len(crops), model.card.batch.max)]
    made = [
        model.run({name: tensor(batch, how).reshape(len(batch), side, side, 1)})[output] for batch in batches
    ]
    return np.concatenate([np.zeros((0, len(model.labels)), dtype=np.float32), *made])


def aligned(grey: np.ndarray, box: np.ndarray, points: np.ndarray, side: int) -> np.ndarray:
    """The square around a face (uint8 [H, W]) turned so that its eyes lie level: uint8 [side, side]."""
    x, y = points[1] - points[0]
    middle = (box[:2] + box[2:]) / 2
    scale = side / (MARGIN * float((box[2:] - box[:2]).max()))
    placed = cv2.getRotationMatrix2D(tuple(middle.tolist()), math.degrees(math.atan2(y, x)), scale)
    placed[:, 2] += side / 2 - middle
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(grey, placed, (side, side), flags=method, borderMode=cv2.BORDER_REPLICATE)
    )
