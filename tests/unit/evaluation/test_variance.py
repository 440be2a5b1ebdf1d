import math

import numpy as np
import pytest
from scipy.stats import norm, t

from chexseg.evaluation.variance import Variance, covariance

NAN = math.nan

# The readers of Van Dyke et al. (1993) in both modalities, and the variances of Obuchowski &
# Rockette, as the R package MRMCaov prints them: five readers are five seeds.
FIRST = [0.9196457, 0.8587762, 0.9038647, 0.9731079, 0.8297907]
SECOND = [0.9478261, 0.9053140, 0.9217391, 0.9993559, 0.9299517]
ERROR, COV1, COV2, COV3 = 0.0008022883, 0.0003466137, 0.0003440748, 0.0002390284
DIFFERENCES = np.subtract(FIRST, SECOND)


@pytest.fixture
def van_dyke():
    shared = 2 * (COV2 - COV3)
    own = 2 * (ERROR - COV1)
    return Variance(shared, own - shared, float(np.var(DIFFERENCES, ddof=1)), 5, math.inf)


def test_the_standard_error_is_that_of_a_published_reader_study(van_dyke):
    assert DIFFERENCES.mean() == pytest.approx(-0.04380032, abs=1e-7)
    assert math.sqrt(van_dyke.total) == pytest.approx(0.02074862, abs=1e-7)


def test_the_interval_is_near_that_of_a_published_reader_study(van_dyke):
    """Hillis's, with 15.26 degrees of freedom; ours is a little wider."""
    low, high = van_dyke.interval(-0.04380032, 0.95)
    assert -0.0910 < low < -0.0879595
    assert 0.0003589 < high < 0.0034
    assert 0.0516657 < van_dyke.p_value(-0.04380032) < 0.07


def test_patients_alone_have_the_normal_quantiles_and_seeds_alone_those_of_t(van_dyke):
    error = math.sqrt(2 * (COV2 - COV3) + 2 * (ERROR - COV1 - COV2 + COV3) / 5)
    reach = norm.ppf(0.975) * error
    assert van_dyke.of_patients().interval(0, 0.95) == pytest.approx((-reach, reach))
    reach = t.ppf(0.975, 4) * math.sqrt(np.var(DIFFERENCES, ddof=1) / 5)
    assert van_dyke.of_seeds().interval(0, 0.95) == pytest.approx((-reach, reach))


def test_it_is_never_narrower_than_for_the_same_seeds():
    alike = Variance(1e-5, 6e-5, 1e-9, 3, 480)  # by chance, the seeds agree
    assert alike.total < alike.of_patients().total
    assert alike.interval(0.01, 0.95) == alike.of_patients().interval(0.01, 0.95)


@pytest.mark.parametrize("estimate", [0.0, 0.002, -0.01, 0.013, 0.05, 1.0])
@pytest.mark.parametrize("seeds", [0.0, 2e-5, 4e-4])
def test_p_value_and_interval_agree(estimate, seeds):
    variance = Variance(1e-5, 0.0, seeds, 3, 200)
    p = variance.p_value(estimate)
    assert 0 <= p <= 1
    for confidence in (0.5, 0.9, 0.95, 0.999):
        low, high = variance.interval(estimate, confidence)
        assert (p < 1 - confidence) == (low > 0 or high < 0)


def test_p_value_of_a_single_seed_is_that_of_t():
    variance = Variance(4e-4, 0.0, NAN, 1, 12)
    assert variance.p_value(0.03) == pytest.approx(2 * t.sf(1.5, 11))
    assert variance.p_value(-0.03) == pytest.approx(2 * t.sf(1.5, 11))


def test_without_variance():
    nothing = Variance(0.0, 0.0, 0.0, 3, 10)
    assert nothing.interval(0.25, 0.95) == (0.25, 0.25)
    assert (nothing.p_value(0.25), nothing.p_value(0.0)) == (0, 1)
    unknown = Variance(NAN, NAN, NAN, 1, 10)
    assert np.isnan([*unknown.interval(0.25, 0.95), unknown.p_value(0.25)]).all()


def test_other_numbers_of_seeds_and_patients():
    variance = Variance(patients=4e-5, interaction=2e-5, seeds=5e-5, n_seeds=3, n_patients=100)
    more = variance.with_numbers(6, 400)
    assert (more.patients, more.interaction) == pytest.approx((1e-5, 5e-6))
    assert more.seeds == pytest.approx(3e-5 + 5e-6)  # seeds themselves, and patients of a seed
    assert more.total == pytest.approx(1e-5 + 3.5e-5 / 6)
    assert variance.with_numbers(3, 100).total == pytest.approx(variance.total)


def simulated(replicates, k, shared, own, rng):
    """Replicates of k seeds with a covariance that is known."""
    errors = rng.normal(0, math.sqrt(own), (k, replicates))
    return (errors + rng.normal(0, math.sqrt(shared), replicates))[None]


def test_parts_of_the_variance_are_found():
    rng = np.random.default_rng(0)
    values = np.array([[0.1, 0.2, 0.4]])
    found = covariance(values, simulated(200_000, 3, 4.0, 9.0, rng), 50).along(1.0)
    assert found.patients == pytest.approx(4, rel=0.02)
    assert found.interaction == pytest.approx(9, rel=0.02)
    assert found.seeds == pytest.approx(np.var([0.1, 0.2, 0.4], ddof=1))
    assert (found.n_seeds, found.n_patients) == (3, 50)


def test_a_negative_covariance_between_seeds_counts_as_none():
    one = np.random.default_rng(0).normal(0, 1, 1000)
    found = covariance(np.array([[0.0, 0.0]]), np.stack([one, -one])[None], 50).along(1.0)
    assert found.patients == 0
    assert found.interaction == pytest.approx(np.var(one, ddof=1))


def test_the_variance_of_a_weighted_sum():
    rng = np.random.default_rng(0)
    values, replicates = rng.normal(size=(2, 4)), rng.normal(size=(2, 4, 500))
    found = covariance(values, replicates, 20).along(1.0, -0.3)
    weights = np.array([1, -0.3])
    alone = covariance(
        (weights @ values)[None], np.tensordot(weights, replicates, 1)[None], 20
    ).along(1.0)
    assert found.seeds == pytest.approx(alone.seeds)
    assert found.patients == pytest.approx(alone.patients)
    assert found.interaction == pytest.approx(alone.interaction)


def test_resamples_without_a_score_are_left_out():
    rng = np.random.default_rng(0)
    replicates = rng.normal(size=(1, 2, 50))
    with_gaps = np.concatenate([replicates, np.full((1, 2, 5), NAN)], axis=2)
    with_gaps[0, 1, -5:] = 3.0
    values = np.array([[0.0, 1.0]])
    found, expected = (covariance(values, each, 9).along(1.0) for each in (with_gaps, replicates))
    assert found == expected


@pytest.mark.parametrize("n_patients", [1, 9])
def test_nothing_is_known_from_one_patient_or_one_resample(n_patients):
    replicates = np.ones((1, 1, 1 if n_patients > 1 else 50))
    assert math.isnan(covariance(np.array([[0.5]]), replicates, n_patients).along(1.0).total)
