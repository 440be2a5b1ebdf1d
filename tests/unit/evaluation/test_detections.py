"""Boxes from probability maps, and what they hit."""

import math

import numpy as np
import pytest

from chexseg.evaluation.detections import CRITERIA, by_centre, by_overlap, detect, match


def test_boxes_of_a_map_by_hand():
    probability = np.array(
        [
            [0.9, 0.1, 0.0, 0.0, 0.6],
            [0.0, 0.7, 0.0, 0.0, 0.8],  # touches 0.9 by a corner
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [0.5, math.nan, 0.0, 0.95, 0.0],  # 0.5 is not above; NaN is nothing; one pixel
        ]
    )
    corners, scores = detect(probability, threshold=0.5, smallest=2)
    assert corners.tolist() == [[0, 0, 2, 2], [4, 0, 5, 2]]
    assert scores.tolist() == [0.9, 0.8]
    corners, scores = detect(probability, threshold=0.5, smallest=1)
    assert corners[0].tolist() == [3, 3, 4, 4]
    assert scores.tolist() == [0.95, 0.9, 0.8]


def test_an_empty_map_has_no_boxes():
    corners, scores = detect(np.zeros((3, 4)), threshold=0.5, smallest=1)
    assert (corners.shape, scores.shape) == ((0, 4), (0,))


def test_a_score_is_kept_to_the_last_bit():
    _, scores = detect(np.full((2, 2), 0.7, np.float32), threshold=0.5, smallest=1)
    assert scores.tolist() == [float(np.float32(0.7))]


TRUTH = np.array([[0, 0, 10, 10], [20, 0, 30, 10]])


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (by_overlap(0.2), [[True, True, False, False], [False, False, True, False]]),
        (by_overlap(0.4), [[True, False, False, False], [False, False, True, False]]),
        (by_centre, [[True, True, False, False], [False, False, False, False]]),
    ],
)
def test_hits_by_hand(criterion, expected):
    # IoU 0.5 with the first; 0.2 with the first, with the centre on its edge; 0.4 with the second,
    # with the centre between both; 0.1 with the first, and the centre outside.
    detected = np.array([[0, 0, 10, 5], [5, 0, 15, 5], [5, 0, 30, 10], [0, 9, 10, 12]])
    assert criterion(TRUTH, detected).tolist() == expected


def test_the_best_hit_counts_and_a_second_one_is_no_false_positive():
    detected = np.array([[0, 0, 10, 9], [0, 0, 9, 10], [40, 0, 50, 10]])
    found, false = match(TRUTH, detected, np.array([0.3, 0.6, 0.9]), by_overlap(0.4))
    assert found.tolist() == [0.6, -math.inf]
    assert false.tolist() == [0.9]


def test_one_detection_finds_two_findings_at_the_same_place():
    truth = np.array([[0, 0, 10, 10], [1, 0, 10, 10]])
    found, false = match(truth, truth[:1], np.array([0.5]), by_centre)
    assert found.tolist() == [0.5, 0.5]
    assert false.size == 0


@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_nothing_drawn_or_nothing_detected(criterion):
    none, scores = np.zeros((0, 4)), np.array([0.4, 0.2])
    found, false = match(none, TRUTH, scores, criterion)
    assert (found.tolist(), false.tolist()) == ([], [0.4, 0.2])
    found, false = match(TRUTH, none, scores[:0], criterion)
    assert (found.tolist(), false.tolist()) == ([-math.inf] * 2, [])
