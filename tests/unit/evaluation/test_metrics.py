"""What every metric of overlaps promises, and the values of each by hand."""

import numpy as np
import pytest

from chexseg.catalog import OF_PROBABILITIES, load, names
from chexseg.evaluation.metrics import is_lower_better
from chexseg.evaluation.scores import score
from tests.unit.evaluation.tables import METRICS, SMALL, random_table, table

OF_OVERLAPS = [name for name in names("metric") if name not in OF_PROBABILITIES]


@pytest.mark.parametrize("name", OF_OVERLAPS)
class TestContract:
    def test_terms_are_a_number_for_each_row(self, name):
        frame = random_table(0, ("Edema", "Nodule"))
        before = frame.copy()
        for term in load("metric", name)(frame):
            assert isinstance(term, np.ndarray)
            assert term.shape == (len(frame),)
            assert np.isfinite(term.astype(float)).all()
        assert frame.equals(before)

    def test_a_row_that_does_not_count_adds_nothing(self, name):
        numerator, denominator = load("metric", name)(random_table(1))
        assert (denominator >= 0).all()
        assert (numerator[denominator == 0] == 0).all()

    def test_rows_are_scored_each_by_itself(self, name):
        whole = load("metric", name)(SMALL)
        for number in range(len(SMALL)):
            alone = load("metric", name)(SMALL.iloc[[number]])
            assert [term[0] for term in alone] == [term[number] for term in whole]

    def test_an_empty_table(self, name):
        assert [len(term) for term in load("metric", name)(SMALL.iloc[:0])] == [0, 0]


@pytest.mark.parametrize(
    "name",
    [*METRICS, "iou_image_all", "dice", "precision", "recall", "specificity", "hit_rate"],
)
def test_a_perfect_run_has_a_score_of_1(name):
    frame = table(("p1_a", "Edema", 4, 4, 4), ("p2_a", "Edema", 9, 9, 9))
    scores = score(frame, metrics=(name,), replicates=5, confidence=0.9, seed=0)
    assert (scores.values == 1).all()


@pytest.mark.parametrize(
    ("name", "numerator", "denominator"),
    [
        ("iou_dataset", [1, 4, 0, 0, 0, 0, 0, 0, 0], [3, 5, 3, 0, 0, 7, 0, 0, 0]),
        ("iou_image", [1 / 3, 4 / 5, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0, 0]),
        ("iou_image_all", [1 / 3, 4 / 5, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0]),
        ("dice", [2, 8, 0, 0, 0, 0, 0, 0, 0], [4, 9, 3, 0, 0, 7, 0, 0, 0]),
        ("precision", [1, 4, 0, 0, 0, 0, 0, 0, 0], [2, 5, 3, 0, 0, 0, 0, 0, 0]),
        ("recall", [1, 4, 0, 0, 0, 0, 0, 0, 0], [2, 4, 0, 0, 0, 7, 0, 0, 0]),
        (
            "specificity",
            [13, 11, 13, 16, 16, 9, 16, 16, 16],
            [14, 12, 16, 16, 16, 9, 16, 16, 16],
        ),
        ("hit_rate", [1, 1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 1, 0, 0, 0]),
        ("false_positives", [0, 0, 1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 1, 1, 1]),
    ],
)
def test_terms_by_hand(name, numerator, denominator):
    terms = load("metric", name)(SMALL)
    assert [term.tolist() for term in terms] == [numerator, denominator]


def test_false_positives_alone_are_better_if_lower():
    assert [name for name in names("metric") if is_lower_better(load("metric", name))] == [
        "false_positives"
    ]


def test_an_x_ray_of_unknown_size_has_no_specificity():
    terms = load("metric", "specificity")(SMALL.assign(pixels=0))
    assert [term.tolist() for term in terms] == [[0] * 9, [0] * 9]
