import numpy as np

from chexseg.evaluation.false_positives import count_false_positives
from tests.unit.evaluation.tables import SMALL, table


def test_false_positives():
    rows = count_false_positives(SMALL).to_dict("records")
    assert rows[0] == {
        "pathology": "Edema", "negatives": 1, "false_positives": 1, "share": 1.0, "mean_pixels": 3.0
    }  # fmt: skip
    assert rows[1] == {
        "pathology": "Nodule", "negatives": 2, "false_positives": 0, "share": 0.0, "mean_pixels": 0.0
    }  # fmt: skip


def test_no_negatives_have_no_share():
    (row,) = count_false_positives(table(("p1_a", "Edema", 1, 1, 1))).to_dict("records")
    assert (row["negatives"], row["false_positives"]) == (0, 0)
    assert np.isnan(row["share"])
    assert np.isnan(row["mean_pixels"])
