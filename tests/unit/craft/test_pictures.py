from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from kadr.contracts.model import Preprocessing
from kadr.craft.pictures import Fit, each_picture, fit, tensor, to_source
from tests.unit.functions.frames import MemoryFrames
from tests.unit.functions.models import models


@pytest.mark.parametrize("how", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize(("height", "width"), [(90, 160), (160, 90), (64, 64), (333, 10)])
def test_a_point_of_the_input_leads_back_to_the_picture(how: Fit, height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    image[max(0, top - 3) : top + 3, max(0, left - 3) : left + 3] = 255
    made, placed = fit(image, 128, 128, how)
    assert made.shape == (128, 128, 3)
    spot = np.argwhere(made[..., 0] > 100)[:, ::-1].mean(axis=0) + 0.5
    assert placed.back(spot) == pytest.approx([left, top], abs=max(1.5, width / 128, height / 128))


def test_letterbox_keeps_all_and_fills_the_rest() -> None:
    made, _ = fit(np.full((10, 20, 3), 200, np.uint8), 40, 40, "letterbox", (7, 8, 9))
    assert (made[10:30] == 200).all()
    assert made[0, 0].tolist() == [7, 8, 9]


@pytest.mark.parametrize(("colour", "layout"), [("BGR", "NCHW"), ("RGB", "NHWC")])
def test_tensors_follow_the_card(colour: str, layout: str) -> None:
    how = Preprocessing(text="", colour=colour, layout=layout, mean=(10, 20, 30), std=(2, 4, 8))
    made = tensor([np.full((2, 3, 3), (50, 60, 70), np.uint8)], how)
    first = made[0, :, 0, 0] if layout == "NCHW" else made[0, 0, 0]
    order = (70, 60, 50) if colour == "BGR" else (50, 60, 70)
    assert first.tolist() == [(order[0] - 10) / 2, (order[1] - 20) / 4, (order[2] - 30) / 8]
    assert made.dtype == np.float32


def test_each_distinct_picture_is_seen_once_and_every_frame_gets_an_answer() -> None:
    a, b, c = (np.full((4, 4, 3), level, np.uint8) for level in (10, 20, 30))
    seen: list[int] = []

    def level(images: Sequence[np.ndarray]) -> list[int]:
        seen.extend(int(image[0, 0, 0]) for image in images)
        return [int(image[0, 0, 0]) for image in images]

    frames = MemoryFrames([a, a, b, b, b, b, b, c, a], batch=3)
    found = list(each_picture(frames, models("nanodet")["nanodet"].card, level))
    assert [value for _, value in found] == [10, 10, 20, 20, 20, 20, 20, 30, 10]
    assert [t for t, _ in found] == frames.t_ms.tolist()
    assert seen == [10, 20, 30, 10]


def test_scale_to_the_source_picture() -> None:
    assert to_source(MemoryFrames([np.zeros((90, 160, 3), np.uint8)], scale=8.0)).tolist() == [8, 8]
