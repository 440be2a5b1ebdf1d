import math

import pytest
from scipy.stats import norm
from statsmodels.stats.power import TTestPower

from benchmarks.coverage import mean_difference, studies
from chexseg.evaluation.comparisons import Difference
from chexseg.evaluation.power import detectable, power_row, smallest
from chexseg.evaluation.variance import Variance

NAN = math.nan


def row_of(variance, n_images=480):
    difference = Difference(
        "iou_dataset", "mean", 0.01, variance, 0.95, False, n_images, 240, 10, 0
    )
    return power_row(difference)


@pytest.mark.parametrize(("n_seeds", "within"), [(3, 0.06), (5, 0.02), (30, 0.001)])
def test_seeds_alone_need_what_a_t_test_needs(n_seeds, within):
    variance = Variance(0.0, 0.0, 1.0, n_seeds, 480)
    exact = TTestPower().solve_power(nobs=n_seeds, alpha=0.05, power=0.8)
    assert detectable(variance, 0.95) == pytest.approx(exact, rel=within)


def test_patients_alone_need_what_a_normal_test_needs():
    variance = Variance(0.01**2, 0.0, NAN, 1, math.inf)
    expected = 0.01 * (norm.ppf(0.975) + norm.ppf(0.8))
    assert detectable(variance, 0.95) == pytest.approx(expected)


def test_numbers_of_x_rays_with_one_seed():
    """A standard error of 0.01 at 400 patients detects 0.028; a quarter as much needs 8 times more."""
    row = row_of(Variance(0.01**2, 0.0, NAN, 1, 400), n_images=400)
    assert row["standard_error"] == row["standard_error_patients"] == pytest.approx(0.01)
    assert row["detectable_difference"] == pytest.approx(0.02809, rel=1e-3)
    assert row["images_for_0.01"] == pytest.approx(400 * 7.85, rel=0.01)
    assert row["images_for_0.02"] == pytest.approx(400 * 1.97, rel=0.01)
    assert math.isnan(row["seeds_for_0.01"])
    assert math.isnan(row["standard_error_seeds"])


def test_x_rays_are_counted_as_many_to_a_patient_as_there_are():
    variance = Variance(0.01**2, 0.0, NAN, 1, 400)
    once, twice = (row_of(variance, n)["images_for_0.01"] for n in (400, 800))
    assert twice == pytest.approx(2 * once, abs=2)


def test_no_number_of_x_rays_makes_up_for_three_seeds_that_differ():
    row = row_of(Variance(1e-5, 0.0, 0.02**2, 3, 480))
    assert math.isnan(row["images_for_0.01"])
    assert math.isnan(row["images_for_0.02"])
    assert row["seeds_for_0.02"] > 3
    assert row["seeds_for_0.01"] > 2 * row["seeds_for_0.02"]


def test_no_number_of_seeds_makes_up_for_few_patients():
    row = row_of(Variance(0.01**2, 0.0, 0.001**2, 3, 100))
    assert math.isnan(row["seeds_for_0.01"])
    assert math.isnan(row["seeds_for_0.02"])
    assert row["images_for_0.02"] > 480


def test_the_numbers_asked_for_detect_what_they_should():
    variance = Variance(5e-6, 1e-6, 5e-5, 3, 480)
    row = row_of(variance)
    for target in (0.01, 0.02):
        needed = row[f"seeds_for_{target}"]
        assert detectable(variance.with_numbers(needed, 480), 0.95) <= target
        assert detectable(variance.with_numbers(needed - 1, 480), 0.95) > target


def test_nothing_is_known_without_a_variance():
    row = row_of(Variance(NAN, NAN, NAN, 1, 1))
    assert all(math.isnan(row[name]) for name in ("detectable_difference", "images_for_0.01"))


@pytest.mark.parametrize("least_enough", [2, 3, 17, 99, 100])
def test_the_smallest_number_that_is_enough(least_enough):
    assert smallest(lambda number: number >= least_enough, 2, 100) == least_enough
    assert smallest(lambda number: False, 2, 100) is None


def test_four_of_five_simulated_studies_find_what_is_said_to_be_detectable():
    options = {"n_seeds": 5, "n_patients": 480, "seed_sd": 0.005}
    pairs = studies(200, **options, difference=0.0, seed=2)
    target = sorted(detectable(mean_difference(*pair).variance, 0.95) for pair in pairs)[100]
    rows = [mean_difference(*p).row() for p in studies(300, **options, difference=target, seed=3)]
    assert 0.72 < sum(row["ci_low"] > 0 for row in rows) / 300 < 0.9
