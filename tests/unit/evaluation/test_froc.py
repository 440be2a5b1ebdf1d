"""FROC, AUROC and sensitivities: counted by hand, and resamples against literal ones."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from chexseg.evaluation import froc
from chexseg.evaluation.auroc import auroc_of_each
from chexseg.evaluation.froc import froc_curve, sensitivity_at, weighted_auroc

MISSED = -math.inf
FOUND = np.array([0.9, 0.6, 0.4, MISSED])
FALSE = np.array([0.8, 0.6, 0.5, 0.3])


def ones(*values):
    """Weights of 1 in a single resample."""
    return [np.ones((1, len(each))) for each in values]


def sensitivities(found, false, *most):
    of_found, of_false = ones(found, false)
    return sensitivity_at(found, of_found, false, of_false, np.array([most]))[0].tolist()


def test_a_curve_counted_by_hand():
    # Four lesions and four false positives in two X-rays; two scores of 0.6 share a threshold.
    thresholds, rates, found = froc_curve(FOUND, FALSE, n_images=2)
    assert thresholds.tolist() == [math.inf, 0.9, 0.8, 0.6, 0.5, 0.4, 0.3]
    assert rates.tolist() == [0, 0, 0.5, 1, 1.5, 1.5, 2]
    assert found.tolist() == [0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75]


def test_sensitivities_counted_by_hand():
    # At most 0, 1, 2, 3 and 100 false positives. 2 allow the threshold 0.6; 3 allow 0.4.
    assert sensitivities(FOUND, FALSE, 0, 1, 2, 3, 100) == [0.25, 0.25, 0.5, 0.75, 0.75]


def test_a_false_positive_above_all():
    assert sensitivities(np.array([0.5]), np.array([0.9]), 0, 1) == [0, 1]


def test_no_truth_no_false_positives_and_nothing_found():
    nothing = np.zeros(0)
    assert np.isnan(sensitivities(nothing, FALSE, 1)).all()
    assert sensitivities(FOUND, nothing, 0) == [0.75]
    assert sensitivities(np.array([MISSED]), nothing, 5) == [0]
    assert [each.tolist() for each in froc_curve(nothing, nothing, 3)[:2]] == [[math.inf], [0]]
    assert np.isnan(froc_curve(nothing, nothing, 3)[2]).all()


@pytest.mark.parametrize("chunk", [1, 2**24])
def test_weights_are_repeated_lesions(monkeypatch, chunk):
    monkeypatch.setattr(froc, "CHUNK", chunk)
    rng = np.random.default_rng(0)
    found, false = rng.integers(0, 9, 12) / 9, rng.integers(0, 9, 20) / 9
    found[:2] = MISSED
    weights = [rng.integers(0, 3, (6, len(each))) for each in (found, false)]
    most = rng.integers(0, 20, (6, 3)).astype(float)
    values = sensitivity_at(found, weights[0].astype(float), false, weights[1].astype(float), most)
    for row in range(6):
        repeated = [np.repeat(each, weight[row]) for each, weight in
                    zip((found, false), weights, strict=True)]  # fmt: skip
        assert values[row].tolist() == sensitivities(*repeated, *most[row])


def test_auroc_by_hand():
    positive, negative = np.array([0.9, 0.5]), np.array([0.5, 0.1])
    assert weighted_auroc(positive, *ones(positive)[:1], negative, *ones(negative)) == [3.5 / 4]


def test_auroc_equals_scipy_and_that_of_classifiers():
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(3, 20, 30) / 20, rng.integers(0, 15, 50) / 20
    value = weighted_auroc(positive, *ones(positive), negative, *ones(negative))
    expected = mannwhitneyu(positive, negative).statistic / (30 * 50)
    np.testing.assert_allclose(value, [expected])
    both = torch.from_numpy(np.concatenate([positive, negative]))[:, None]
    labels = torch.tensor([1.0] * 30 + [0.0] * 50)[:, None]
    np.testing.assert_allclose(value, auroc_of_each(both, labels), atol=1e-6)


def test_weights_are_repeated_x_rays():
    rng = np.random.default_rng(1)
    positive, negative = rng.integers(3, 9, 10) / 9, rng.integers(0, 7, 12) / 9
    weights = [rng.integers(0, 3, (5, len(each))) for each in (positive, negative)]
    values = weighted_auroc(positive, weights[0], negative, weights[1])
    for value, *weight in zip(values, *weights, strict=True):
        parts = [np.repeat(each, w) for each, w in zip((positive, negative), weight, strict=True)]
        expected = mannwhitneyu(*parts).statistic / (len(parts[0]) * len(parts[1]))
        assert value == pytest.approx(expected)


def test_no_auroc_without_both_kinds():
    some, none = np.array([0.5]), np.zeros(0)
    assert np.isnan(weighted_auroc(some, *ones(some), none, *ones(none))).all()
    assert np.isnan(weighted_auroc(some, np.zeros((1, 1)), some, np.ones((1, 1)))).all()
