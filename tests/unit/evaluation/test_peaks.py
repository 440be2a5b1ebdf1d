"""Peaks of maps, and the blind peak."""

import numpy as np
import pytest

from chexseg.evaluation.mask_quality import count_stored, score_masks
from chexseg.evaluation.peaks import BlindPeak, Peaks


def places(masks):
    """Row and column of the pixels of each mask."""
    return [np.argwhere(mask).tolist() for mask in masks]


def maps_of(*maps):
    return {"a": np.array(maps, np.float16)}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (2, [0, 1]),  # the cells are pixels
        (4, [1, 3]),  # a cell has 2 x 2 pixels; its centre touches all of them
        (6, [1, 4]),  # a cell has 3 x 3 pixels, one of them in the centre
    ],
)
def test_the_peak_is_the_centre_of_the_highest_cell(size, expected):
    masks = Peaks(maps_of([[0, 3], [1, 2]]), size)["a"]
    assert masks.shape == (1, size, size)
    assert places(masks) == [[expected]]


def test_each_map_has_its_own_peak_and_cells_need_not_be_square():
    masks = Peaks(maps_of([[0, 0, 5, 0]], [[7, 0, 0, 0]]), 8)["a"]
    assert places(masks) == [[[4, 5]], [[4, 1]]]


def test_the_first_of_equal_cells_wins():
    assert places(Peaks(maps_of([[1, 2], [2, 2]]), 2)["a"]) == [[[0, 1]]]


@pytest.mark.parametrize("level", [0, -1])
def test_a_map_without_evidence_has_no_peak(level):
    assert places(Peaks(maps_of(np.full((2, 2), level)), 4)["a"]) == [[]]


def row(*pixels):
    """Masks of one pathology, one row high."""
    return np.array([[pixels]], bool)


def test_the_blind_peak_is_where_most_experts_drew():
    truth = {"a": row(1, 1, 0, 0), "b": row(0, 1, 1, 0), "c": row(0, 0, 0, 1)}
    assert places(BlindPeak(truth, "abc", (1, 1, 4))["new"]) == [[[0, 1]]]


def test_of_equal_pixels_the_one_nearest_to_their_mean():
    assert places(BlindPeak({"a": row(0, 1, 1, 1)}, "a", (1, 1, 4))["new"]) == [[[0, 2]]]


@pytest.mark.parametrize("ids", ["", "d"])
def test_without_experts_masks_there_is_no_blind_peak(ids):
    assert places(BlindPeak({"d": row(0, 0)}, ids, (1, 1, 2))["new"]) == [[]]


def test_the_hit_rate_by_hand():
    """Of three X-rays with truth, the peak is inside on one, outside on one, and absent on one."""
    truth = {"a": row(1, 0), "b": row(1, 0), "c": row(1, 1), "d": row(0, 0)}
    peaks = {"a": row(1, 0), "b": row(0, 1), "c": row(0, 0), "d": row(1, 0)}
    patients = dict(zip("abcd", "1123", strict=True))
    table = count_stored(truth, peaks, patients=patients, pathologies=("Edema",))
    settings = {"metrics": ("hit_rate",), "replicates": 200, "confidence": 0.95, "seed": 0}
    scores = score_masks(table, **settings).set_index("pathology")
    assert scores.loc["Edema", "value"] == pytest.approx(1 / 3)
    assert scores.loc["Edema", "n_images"] == 3
    # Patient 1 always: 1 of 2. Patients 2 and 3 only: 0 of 1.
    assert (scores.loc["Edema", "ci_low"], scores.loc["Edema", "ci_high"]) == (0, 0.5)
