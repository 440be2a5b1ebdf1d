"""Boxes: their faults, their way into the letterboxed square and back, and the pixels they cover."""

import math

import numpy as np
import pytest

from chexseg.data.boxes import (
    Box,
    area,
    box_masks,
    corners_of,
    find_fault,
    intersection_over_union,
    to_native,
    to_square,
)
from chexseg.data.images import Letterbox


def test_corners_of_boxes():
    boxes = [Box("a", "r1", "Mass", 1, 2, 3, 4), Box("a", "r2", "Mass", 5, 6, 7.5, 8)]
    assert boxes[1].corners == (5, 6, 7.5, 8)
    assert corners_of(boxes).tolist() == [[1, 2, 3, 4], [5, 6, 7.5, 8]]
    assert corners_of([]).shape == (0, 4)


@pytest.mark.parametrize("corners", [(0, 0, 30, 20), (29.5, 0, 30, 0.25)])
def test_boxes_that_touch_the_border_are_sound(corners):
    assert find_fault(corners, height=20, width=30) is None


@pytest.mark.parametrize(
    ("corners", "found", "expected"),
    [
        ((math.nan, 1, 2, 3), "nan, 1, 2, 3", "four numbers"),
        ((1, 1, math.inf, 3), "1, 1, inf, 3", "four numbers"),
        ((5, 1, 5, 3), "x_min 5 and x_max 5", "the lower one first, and a box that is not empty"),
        ((1, 4, 5, 3), "y_min 4 and y_max 3", "the lower one first, and a box that is not empty"),
        ((-1, 0, 5, 3), "-1, 0, 5, 3", "a box inside the X-ray, which is 30 wide and 20 high"),
        ((0, 0, 30.5, 3), "0, 0, 30.5, 3", "a box inside the X-ray, which is 30 wide and 20 high"),
        ((0, 0, 20, 21), "0, 0, 20, 21", "a box inside the X-ray, which is 30 wide and 20 high"),
    ],
)
def test_faults(corners, found, expected):
    assert find_fault(corners, height=20, width=30)[:2] == (found, expected)


def test_a_wide_x_ray_in_its_square():
    letterbox = Letterbox(100, 200, 64)  # 32 rows from row 16
    square = to_square(np.array([[0, 0, 200, 100], [50, 25, 100, 50]]), letterbox)
    assert square.tolist() == [[0, 16, 64, 48], [16, 24, 32, 32]]
    assert to_native(square, letterbox).tolist() == [[0, 0, 200, 100], [50, 25, 100, 50]]


def test_padding_is_cut_off_on_the_way_back():
    native = to_native(np.array([[-3, 0, 70, 24], [0, 0, 64, 16]]), Letterbox(100, 200, 64))
    assert native.tolist() == [[0, 0, 200, 25], [0, 0, 200, 0]]


@pytest.mark.parametrize(("height", "width"), [(2320, 2828), (389, 320), (31, 30)])
def test_there_and_back(height, width):
    letterbox = Letterbox(height, width, 320)
    corners = np.array([[1.5, 2.25, width / 2, height / 3], [0, 0, width, height]])
    np.testing.assert_allclose(to_native(to_square(corners, letterbox), letterbox), corners)


def test_boxes_lie_where_their_masks_do():
    letterbox = Letterbox(96, 64, 48)
    corners = np.array([[8, 20, 30, 50]])
    mask = letterbox.masks(box_masks(corners, 96, 64))
    assert np.array_equal(box_masks(to_square(corners, letterbox), 48, 48), mask)


def test_pixels_by_hand():
    masks = box_masks(np.array([[1, 0, 3, 2], [0.5, 1.5, 1.5, 3], [0.6, 0.6, 1.4, 1.4]]), 3, 4)
    assert masks.astype(int).tolist() == [
        [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]],  # between two centres
    ]


def test_areas_and_overlaps_by_hand():
    one = np.array([[0, 0, 2, 2], [0, 0, 1, 1]])
    other = np.array([[1, 0, 3, 2], [0, 0, 2, 2], [5, 5, 6, 6], [3, 3, 3, 3]])
    assert area(other).tolist() == [4, 4, 1, 0]
    assert area(np.array([2, 2, 1, 1])) == 0
    expected = [[2 / 6, 1, 0, 0], [0, 1 / 4, 0, 0]]
    np.testing.assert_allclose(intersection_over_union(one, other), expected)
    assert intersection_over_union(other[3:], other[3:]).tolist() == [[0]]
