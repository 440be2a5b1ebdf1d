import dataclasses
import math

import numpy as np
import pytest

from benchmarks.coverage import mean_difference, studies
from chexseg.evaluation.comparisons import differences, gaps_closed, holm
from chexseg.evaluation.scores import score
from tests.unit.evaluation.tables import METRICS, random_table, table

NAN = math.nan


def scores_of(frame, replicates=100, metrics=METRICS):
    return score(frame, metrics=metrics, replicates=replicates, confidence=0.95, seed=0)


def runs(*found):
    """A run for each number of pixels that are found of the 4 of each of six X-rays."""
    return [
        scores_of(table(*[(f"p{n}_a", "Edema", each + n % 2, 4, 4) for n in range(6)]))
        for each in found
    ]


def valued(scores, *values):
    """The scores with other values, the same for all metrics."""
    return dataclasses.replace(scores, values=np.array([values, values], float))


def test_a_run_does_not_differ_from_itself():
    scores = scores_of(random_table(4, ("Edema", "Nodule")))
    for found in differences([scores], [scores]):
        row = found.row()
        assert [row[name] for name in ("difference", "ci_low", "ci_high")] == [0, 0, 0]
        assert (row["p_value"], row["probability_better"]) == (1, 0.5)


def test_a_run_that_is_always_better():
    [better], [worse] = runs(3), runs(1)
    found = differences([better], [worse])
    assert [(each.metric, each.pathology) for each in found] == [
        (metric, pathology) for metric in METRICS for pathology in ("Edema", "mean")
    ]
    width = better.table().eval("ci_high - ci_low")
    for each, value, of_score in zip(
        found, (better.values - worse.values).ravel(), width, strict=True
    ):
        row = each.row()
        assert row["difference"] == value
        assert 0 < row["ci_low"] <= row["patients_low"] <= value
        assert row["p_value"] < 0.01
        assert row["probability_better"] == 1 - row["p_value"] / 2
        # Paired: the interval of the difference is narrower than that of a score.
        assert row["ci_high"] - row["ci_low"] < of_score
        assert (row["n_seeds"], row["n_patients"], row["n_images"]) == (1, 6, 6)


def test_one_seed_has_no_interval_of_seeds():
    [found, *_] = differences(runs(3), runs(1))
    row = found.row()
    assert [row["ci_low"], row["ci_high"]] == [row["patients_low"], row["patients_high"]]
    assert math.isnan(row["seeds_low"])
    assert math.isnan(row["seeds_high"])


def test_seeds_are_paired_by_position():
    """Two methods whose seeds differ, but never from each other by more than a pixel of four."""
    run, against = runs(1, 2, 3), runs(0, 1, 2)
    paired, crossed = (differences(run, other)[0] for other in (against, against[::-1]))
    means = [np.mean([scores.values[0, 0] for scores in side]) for side in (run, against)]
    assert paired.value == pytest.approx(means[0] - means[1])
    assert paired.value == pytest.approx(crossed.value)
    assert paired.variance.seeds < crossed.variance.seeds / 10
    assert paired.variance.n_seeds == 3


def test_the_human_is_compared_with_each_seed():
    human, run = runs(3), runs(0, 1, 2)
    [found, *_] = differences(human, run)
    mean = np.mean([r.values[0, 0] for r in run])
    assert found.value == pytest.approx(human[0].values[0, 0] - mean)
    assert found.variance.n_seeds == 3
    assert found.variance.seeds == pytest.approx(np.var([r.values[0, 0] for r in run], ddof=1))


def test_difference_to_nothing_is_nan():
    nothing = scores_of(table(("p1_a", "Edema", 0, 0, 0), ("p2_a", "Edema", 0, 0, 0)))
    for found in differences([nothing], [nothing]):
        row = found.row()
        assert all(math.isnan(row[name]) for name in ("difference", "ci_low", "p_value"))
        assert (row["n_pathologies"], row["n_left_out"]) == (0, 1)


def test_pathologies_without_a_score_are_left_out_of_both_means_and_counted():
    rows = [
        (f"p{n}_a", name, shared, 4, 4)
        for n in range(6)
        for name, shared in (("Edema", 2), ("Nodule", 3), ("Mass", 1))
    ]
    full = scores_of(table(*rows))
    # No prediction of nodules: no IoU of images, though the mean of the others would be there.
    silent = scores_of(
        table(*[(*r[:2], 0, 4, 0) if r[1] == "Nodule" else (*r[:2], 1, 4, 4) for r in rows])
    )
    found = {(each.metric, each.pathology): each for each in differences([full], [silent])}
    mean = found["iou_image", "mean"]
    assert (mean.n_pathologies, mean.n_left_out) == (2, 1)
    assert mean.value == pytest.approx(((2 / 6 - 1 / 7) + (1 / 7 - 1 / 7)) / 2)
    assert math.isnan(found["iou_image", "Nodule"].value)
    assert found["iou_image", "Nodule"].n_left_out == 1
    assert (mean.n_images, found["iou_image", "Nodule"].n_images) == (6, 0)
    everything = found["iou_dataset", "mean"]
    assert (everything.n_pathologies, everything.n_left_out) == (3, 0)


def test_one_patient_tells_nothing_of_others():
    better, worse = (scores_of(table(("p1_a", "Edema", n, 4, 4))) for n in (3, 1))
    row = differences([better], [worse])[0].row()
    assert row["difference"] > 0
    assert math.isnan(row["ci_low"])
    assert math.isnan(row["p_value"])


def test_lower_is_better_for_false_positives():
    many, none = (
        scores_of(
            table(*[(f"p{n}_a", "Edema", 0, 0, drawn * (n % 3)) for n in range(9)]),
            metrics=("false_positives",),
        )
        for drawn in (1, 0)
    )
    row = differences([none], [many])[0].row()
    assert row["difference"] == pytest.approx(-2 / 3)
    assert row["probability_better"] > 0.99
    [share, *_] = gaps_closed([many], [many], none)[0]
    assert share == 0
    assert math.isnan(gaps_closed([none], [none], many)[0][0])


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
        differences([scores_of(random_table(0))], [other])


def test_numbers_of_seeds_that_cannot_be_paired():
    with pytest.raises(ValueError, match="cannot pair 3 runs with 2"):
        differences(runs(1, 2, 3), runs(1, 2))


def test_gap_closed():
    scores = scores_of(random_table(0))
    run, weak, human = valued(scores, 0.3, 0.3), valued(scores, 0.2, 0.2), valued(scores, 0.4, 0.4)
    shares = gaps_closed([run], [weak], human)
    assert [share for share, *_ in shares] == [pytest.approx(0.5)] * 4


def test_gap_closed_by_the_mean_of_the_seeds():
    scores = scores_of(random_table(0))
    run = [valued(scores, value, value) for value in (0.25, 0.35)]
    weak = [valued(scores, value, value) for value in (0.15, 0.25)]
    [(share, low, high), *_] = gaps_closed(run, weak, valued(scores, 0.4, 0.4))
    assert share == pytest.approx(0.5)
    assert low < 0.5 < high or math.isnan(low)


def test_no_gap_to_close():
    scores = scores_of(random_table(0))
    equal, nothing = valued(scores, 0.4, 0.4), valued(scores, NAN, NAN)
    for human in (equal, nothing):
        shares = gaps_closed([valued(scores, 0.3, 0.3)], [equal], human)
        assert np.isnan(shares).all()


def test_the_interval_of_the_gap_is_fiellers():
    """By its definition: at its bounds, `gain - share * gap` is just as far from 0 as it may be."""
    from chexseg.evaluation.comparisons import _fieller

    covariance, quantile = np.array([[4e-4, 1e-4], [1e-4, 2e-4]]), 2.1
    low, high = _fieller(0.05, 0.1, covariance, quantile)
    assert low < 0.5 < high
    for bound in (low, high):
        weights = np.array([1, -bound])
        error = math.sqrt(weights @ covariance @ weights)
        assert abs(0.05 - bound * 0.1) / error == pytest.approx(quantile)
    assert np.isnan(_fieller(0.05, 0.1, covariance * 25, quantile)).all()


def test_holm_by_hand():
    # Sorted: 0.01 * 4, 0.02 * 3, max(0.06, 0.03 * 2), max(0.06, 0.04).
    adjusted = holm([0.02, NAN, 0.01, 0.04, 0.03])
    np.testing.assert_allclose(adjusted, [0.06, NAN, 0.04, 0.06, 0.06])
    np.testing.assert_array_equal(holm([0.6, 0.7]), [1, 1])
    assert np.isnan(holm([NAN])).all()


def test_holm_equals_its_definition():
    rng = np.random.default_rng(0)
    for number in range(1, 20):
        p = rng.random(number) ** 3
        order = np.argsort(p)
        expected = np.empty(number)
        expected[order] = np.maximum.accumulate(p[order] * np.arange(number, 0, -1)).clip(max=1)
        np.testing.assert_allclose(holm(p), expected)


@pytest.mark.parametrize(("n_seeds", "seed_sd"), [(3, 0.005), (3, 0.01), (5, 0.01)])
def test_intervals_over_patients_and_seeds_cover_the_truth(n_seeds, seed_sd):
    """The whole table is that of benchmarks/coverage.py."""
    options = {"n_seeds": n_seeds, "n_patients": 480, "seed_sd": seed_sd, "difference": 0.01}
    ours, patients = [], []
    for pair in studies(1000, **options):
        found = mean_difference(*pair)
        low, high = found.variance.interval(found.value, 0.95)
        ours.append(low <= 0.01 <= high)
        low, high = found.variance.of_patients().interval(found.value, 0.95)
        patients.append(low <= 0.01 <= high)
    assert 0.93 <= np.mean(ours) <= 0.97
    assert np.mean(patients) < 0.9  # so the test can fail


def found(difference, number=300):
    """Share of studies that find a difference, better or worse, by their p-value at 0.05."""
    rows = [
        mean_difference(*pair).row()
        for pair in studies(
            number, n_seeds=3, n_patients=480, seed_sd=0.005, difference=difference, seed=1
        )
    ]
    for row in rows:
        assert (row["p_value"] < 0.05) == (row["ci_low"] > 0 or row["ci_high"] < 0)
    significant = [row for row in rows if row["p_value"] < 0.05]
    better = sum(row["difference"] > 0 for row in significant)
    return better / number, len(significant) / number - better / number


def test_a_true_difference_is_found():
    better, worse = found(0.05)
    assert better > 0.95
    assert worse == 0


def test_none_is_found_where_there_is_none():
    better, worse = found(0.0)
    assert 0.01 < better + worse < 0.07
