"""Agreement of readers, by hand."""

import math

import numpy as np
import pytest

from chexseg.data.boxes import Box
from chexseg.evaluation.reader_agreement import (
    agreement_of_readers,
    matched_overlaps,
    presence_kappa,
)

READERS = {"a": ("r1", "r2", "r3"), "b": ("r1", "r2", "r4"), "c": ("r2", "r3", "r4")}
BOXES = [
    Box("a", "r1", "Mass", 0, 0, 10, 10),
    Box("a", "r2", "Mass", 0, 0, 10, 8),  # IoU 0.8 with the first, 0.64 with ...
    Box("a", "r3", "Mass", 0, 0, 8, 8),  # ... the third: 0.8 with the second
    Box("b", "r1", "Mass", 0, 0, 10, 10),
    Box("b", "r4", "Mass", 50, 50, 60, 60),
    Box("b", "r4", "Edema", 0, 0, 1, 1),
]


def test_the_table_by_hand():
    table = agreement_of_readers(BOXES, READERS, ["Mass", "Edema", "Nodule"], same=0.4)
    assert table["finding"].tolist() == ["Mass", "Edema", "Nodule"]
    assert table["x_rays"].tolist() == [2, 1, 0]
    assert table["boxes"].tolist() == [5, 1, 0]
    # X-ray a: three pairs of readers, all matched. b: r1 and r2 one box, r1 and r4 two, r2 and r4 one.
    np.testing.assert_allclose(table["matched"], [2 * 3 / (6 + 4), 0, math.nan])
    np.testing.assert_allclose(table["iou"], [(0.8 + 0.8 + 0.64) / 3, math.nan, math.nan])
    # Mass: 3, 2, 0 of 3 readers. Agreement (1 + 1/3 + 1) / 3, by chance (5/9)^2 + (4/9)^2.
    chance = (5 / 9) ** 2 + (4 / 9) ** 2
    assert table["kappa"][0] == pytest.approx((7 / 9 - chance) / (1 - chance))
    # Edema: 0, 1, 0 of 3.
    chance = (1 / 9) ** 2 + (8 / 9) ** 2
    assert table["kappa"][1] == pytest.approx((7 / 9 - chance) / (1 - chance))
    assert math.isnan(table["kappa"][2])


def test_pairs_have_the_largest_sum():
    one, other = (np.array([[low, 0, high, 1] for low, high in sides])
                  for sides in ([(0, 10), (0, 7.2)], [(0, 9), (2, 10)]))  # fmt: skip
    # IoU 0.9 and 0.8 of the first, 0.8 and 0.52 of the second: the best pair alone would leave 0.52.
    assert matched_overlaps(one, other, same=0.4) == pytest.approx([0.8, 0.8])
    assert matched_overlaps(one, other, same=0.85) == pytest.approx([0.9])
    assert matched_overlaps(one, other[:0], same=0.4).shape == (0,)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([(3, 3), (0, 3)], 1),
        ([(1, 2), (1, 2)], -1),
        ([(3, 3), (0, 3), (1, 2)], 1),  # of two readers: left out
        ([(3, 3), (3, 3)], math.nan),
        ([(0, 3), (0, 3)], math.nan),
        ([(1, 1), (0, 1)], math.nan),
        (np.zeros((0, 2), int), math.nan),
    ],
)
def test_kappa_by_hand(counts, expected):
    assert presence_kappa(np.array(counts)) == pytest.approx(expected, nan_ok=True)
