from __future__ import annotations

import numpy as np
import pytest

from kadr.craft.boxes import buffered, clipped, iou, suppressed

A = np.array([[0.0, 0, 10, 10], [100, 100, 110, 120]])


def test_iou_of_what_is_equal_overlapping_and_apart() -> None:
    assert iou(A, np.array([[0.0, 0, 10, 10], [5, 0, 15, 10]])) == pytest.approx(
        np.array([[1, 1 / 3], [0, 0]])
    )
    assert iou(A, np.zeros((0, 4))).shape == (2, 0)
    assert iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0]]


def test_buffered_boxes_meet_where_plain_ones_do_not() -> None:
    left, right = np.array([[0.0, 0, 10, 10]]), np.array([[11.0, 0, 21, 10]])
    assert iou(left, right)[0, 0] == 0
    assert iou(buffered(left, 0.3), buffered(right, 0.3))[0, 0] > 0.1


def test_suppression_keeps_the_best_of_each_class() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [50, 50, 60, 60], [-5, -5, 5, 5]])
    kept = suppressed(boxes, np.array([0.5, 0.9, 0.7, 0.6, 0.55]), np.array([1, 1, 2, 1, 1]), 0.5)
    assert kept.tolist() == [1, 2, 3, 4]
    assert suppressed(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=int), 0.5).tolist() == []


def test_clipping_cuts_to_the_picture() -> None:
    assert clipped(np.array([[-5.0, 3, 30, 99]]), 20, 10).tolist() == [[0, 3, 20, 10]]
