import dataclasses

import numpy as np
import pytest

from chexseg.evaluation.comparisons import difference, gap_closed
from chexseg.evaluation.scores import score
from tests.unit.evaluation.tables import METRICS, random_table, table

NUMBERS = ["difference", "ci_low", "ci_high", "probability_better"]


def scores_of(frame, replicates=100, metrics=METRICS):
    return score(frame, metrics=metrics, replicates=replicates, confidence=0.95, seed=0)


def valued(scores, *values):
    """The scores with other values, the same for all metrics."""
    return dataclasses.replace(scores, values=np.array([values, values], float))


def test_a_run_does_not_differ_from_itself():
    scores = scores_of(random_table(4, ("Edema", "Nodule")))
    assert (difference(scores, scores)[NUMBERS] == 0).all(axis=None)


def test_a_run_that_is_always_better():
    worse = scores_of(table(*[(f"p{n}_a", "Edema", 1 + n % 2, 4, 4) for n in range(6)]))
    better = scores_of(table(*[(f"p{n}_a", "Edema", 3 + n % 2, 4, 4) for n in range(6)]))
    rows = difference(better, worse)
    assert rows["pathology"].tolist() == ["Edema", "mean"] * 2
    assert (rows["probability_better"] == 1).all()
    assert (rows["ci_low"] > 0).all()
    values = better.table()["value"] - worse.table()["value"]
    np.testing.assert_array_equal(rows["difference"], values)
    # Paired: the interval of the difference is narrower than that of a score.
    width = better.table().eval("ci_high - ci_low")
    assert (rows.eval("ci_high - ci_low") < width).all()


def test_difference_to_nothing_is_nan():
    nothing = scores_of(table(("p1_a", "Edema", 0, 0, 0)))
    assert difference(nothing, nothing)[NUMBERS].isna().all(axis=None)


@pytest.mark.parametrize(
    "other",
    [
        scores_of(random_table(0, ("Nodule",))),
        scores_of(random_table(0), metrics=("iou_image", "iou_dataset")),
        scores_of(random_table(0), replicates=99),
    ],
)
def test_runs_that_were_not_scored_alike_cannot_be_compared(other):
    with pytest.raises(ValueError, match="scored differently"):
        difference(scores_of(random_table(0)), other)


def test_gap_closed():
    scores = scores_of(random_table(0))
    run, weak, human = valued(scores, 0.3, 0.5), valued(scores, 0.2, 0.2), valued(scores, 0.4, 0.4)
    assert gap_closed(run, weak, human).tolist() == [pytest.approx([0.5, 1.5])] * 2


def test_no_gap_to_close():
    scores = scores_of(random_table(0))
    equal, nothing = valued(scores, 0.4, 0.4), valued(scores, 0.4, np.nan)
    assert np.isnan(gap_closed(valued(scores, 0.3, 0.3), equal, nothing)).all()
