"""Reading one frame: detection of text lines (DB) and their recognition (CTC) with the PP-OCRv6 models.

The networks run through the model port; RapidOCR's own pre- and post-processing classes work around them. Its sessions, its
downloader and its logger are never started.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from rapidocr.ch_ppocr_det.utils import DBPostProcess
from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode
from rapidocr.utils.process_img import get_rotate_crop_image

from functions.ocr.boxes import Region, bounds, box_iou, joined, touching
from functions.ocr.gate import change_at
from kadr.contracts.model import Model, Models

DETECTOR, RECOGNISER = "ppocr_v6_small_det", "ppocr_v6_small_rec"
LINE_HEIGHT = 48
"""Height in pixels of the recogniser's input."""
STRIDE = 32
"""Both networks take sides that are multiples of this."""
LONE_SCORE = 0.9
"""A line of one letter or digit counts only if read at least this surely."""
SAME_PLACE = 0.7
"""IoU above which a detected line stands where a line was read before."""


@dataclass(frozen=True)
class Line:
    """One line of text in a frame. ``quad``: float32 [4, 2] in pixels of the frame, clockwise from the top left."""

    text: str
    score: float
    quad: np.ndarray


class Reader:
    """Reads text lines from frames. ``detect_side``: longest side of the picture that the detector sees."""

    def __init__(self, models: Models, detect_side: int, min_score: float) -> None:
        self._detector = models[DETECTOR]
        self._recogniser = models[RECOGNISER]
        self._decode = CTCLabelDecode(character=characters(self._recogniser))
        self._boxes = DBPostProcess(thresh=0.3, box_thresh=0.5, unclip_ratio=1.6, use_dilation=True)
        self._detect_side = detect_side
        self._min_score = min_score

    def read(self, image: np.ndarray) -> list[Line]:
        """The lines of an RGB frame (uint8 [H, W, 3]) in reading order."""
        bgr = np.ascontiguousarray(image[..., ::-1])
        return self._counting(Line(*self.recognise(bgr, quad), quad) for quad in self.detect(bgr))

    def reread(
        self,
        image: np.ndarray,
        known: Sequence[Line],
        change: np.ndarray,
        threshold: float,
        regions: Sequence[Region],
    ) -> list[Line]:
        """The lines of a frame that differs only inside ``regions`` from the one in which ``known`` was read.

        A line in one is recognised again only if ``change`` (see ``gate.edge_change``) exceeds ``threshold`` there.
        """
        bgr = np.ascontiguousarray(image[..., ::-1])
        boxes = bounds(quads_of(known))
        touched = np.any([touching(boxes, region) for region in regions], axis=0)
        lines = [line for line, inside in zip(known, touched, strict=True) if not inside]
        still = [line for line, box in zip(known, boxes, strict=True) if change_at(change, box) <= threshold]
        for quad in (quad for region in regions for quad in self.detect(bgr, region)):
            unchanged = change_at(change, bounds(quad)) <= threshold
            lines.append(self._line(bgr, quad, still if unchanged else []))
        return self._counting(lines)

    def detect(self, bgr: np.ndarray, region: Region | None = None) -> np.ndarray:
        """Quads of lines in a region of a picture, float32 [N, 4, 2], by differentiable binarisation (Liao et al. 2020)."""
        height, width = bgr.shape[:2]
        scale = min(1.0, self._detect_side / max(height, width))
        left, top, right, bottom = region or (0, 0, width, height)
        size = [max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (right - left, bottom - top)]
        part = bgr[top:bottom, left:right]
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        quads, _ = self._boxes(_run(self._detector, _planes(small)), part.shape[:2])
        return joined(
            np.asarray(quads, dtype=np.float32).reshape(-1, 4, 2) + np.array([left, top], dtype=np.float32)
        )

    def recognise(self, bgr: np.ndarray, quad: np.ndarray) -> tuple[str, float]:
        """Text and mean character score of one line, by CTC (Graves et al. 2006).

        Each line runs alone at its own width: no neighbour's padding changes its values, and on a CPU a batch is no faster.
        """
        crop = get_rotate_crop_image(bgr, quad)
        if min(crop.shape[:2]) == 0:
            return "", 0.0
        width = max(1, math.ceil(LINE_HEIGHT * crop.shape[1] / crop.shape[0]))
        planes = _planes(cv2.resize(crop, (width, LINE_HEIGHT)))
        padded = np.pad(planes, ((0, 0), (0, 0), (0, 0), (0, -width % STRIDE)))
        lines, _ = self._decode(_run(self._recogniser, padded))
        return str(lines[0][0]).strip(), float(lines[0][1])

    def _counting(self, lines: Iterable[Line]) -> list[Line]:
        """Those of the lines that count as text, in reading order."""
        kept = [line for line in lines if line.score >= self._needed(line.text)]
        return sorted(kept, key=lambda line: (*line.quad.min(axis=0)[::-1].tolist(), line.text))

    def _needed(self, text: str) -> float:
        """The score a text needs to count: rings and edges are often taken for a lone letter, signs alone are no text."""
        letters = sum(map(str.isalnum, text))
        lone = max(self._min_score, LONE_SCORE) if letters else math.inf
        return self._min_score if letters > 1 else lone

    def _line(self, bgr: np.ndarray, quad: np.ndarray, still: list[Line]) -> Line:
        for line in still:
            if box_iou(bounds(line.quad[None]), bounds(quad[None]))[0, 0] >= SAME_PLACE:
                return Line(line.text, line.score, quad)
        return Line(*self.recognise(bgr, quad), quad)


def quads_of(lines: Sequence[Line]) -> np.ndarray:
    """Their quads, float32 [N, 4, 2]."""
    return np.array([line.quad for line in lines], dtype=np.float32).reshape(-1, 4, 2)


def characters(recogniser: Model) -> list[str]:
    """The recogniser's characters in output order: its card's labels, or those that the weights carry in their metadata."""
    if recogniser.labels:
        return list(recogniser.labels)
    return str(recogniser.native.get_modelmeta().custom_metadata_map["character"]).splitlines()


def _planes(bgr: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] → float32 [1, 3, H, W] in [-1, 1]."""
    return (bgr.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]


def _run(model: Model, planes: np.ndarray) -> np.ndarray:
    return next(iter(model.run({model.card.inputs[0].name: planes}).values()))
