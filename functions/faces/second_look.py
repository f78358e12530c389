"""A second look at what may be a face: framed anew at one size, as it is and mirrored.

A real face stays one at another scale and in a mirror; the patterns that a small network takes for faces mostly do not. The mean
over views is test-time augmentation (Krizhevsky et al. 2012), spent only where something was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from functions.faces.detector import Detector, Found
from kadr.craft.boxes import iou

SIDE = 256
FRAMING = 2.0
"""Side of the square that is looked at again, in sides of the face."""
SAME_FACE = 0.3
"""IoU from which what is found there is the face in question."""


def confirmed(image: np.ndarray, found: Found, detector: Detector) -> Found:
    """``found`` in an RGB picture, each score replaced by the mean of three: its own and those of the two new views."""
    if not len(found.scores):
        return found
    views = [view for box in found.boxes for view in _views(image, box)]
    again = np.array([_score(seen) for seen in detector(views)]).reshape(-1, 2)
    scores = (found.scores + again.sum(axis=1)) / 3
    order = np.argsort(-scores, kind="stable")
    return replace(found, boxes=found.boxes[order], points=found.points[order], scores=scores[order])


def _views(image: np.ndarray, box: np.ndarray) -> Sequence[np.ndarray]:
    """The square around a face, uint8 [256, 256, 3], and its mirror image."""
    middle = (box[:2] + box[2:]) / 2
    scale = SIDE / (FRAMING * float((box[2:] - box[:2]).max()))
    shift = SIDE / 2 - middle * scale
    placed = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    view = cv2.warpAffine(
        image, placed, (SIDE, SIDE), flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return view, np.ascontiguousarray(view[:, ::-1])


def _score(seen: Found) -> float:
    """Best score of a face in the middle of a view, as large as it should be; 0 without one."""
    margin = SIDE * (1 - 1 / FRAMING) / 2
    there = iou(np.array([[margin, margin, SIDE - margin, SIDE - margin]]), seen.boxes)[0]
    return float(np.where(there >= SAME_FACE, seen.scores, 0.0).max(initial=0.0))
