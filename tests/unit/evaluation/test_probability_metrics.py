"""Metrics of histograms of probabilities: what each promises, and their values by hand."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_average_precision

from chexseg.catalog import OF_PROBABILITIES, SELECTING, load, names
from chexseg.evaluation.histograms import EDGES, count_pixels
from chexseg.evaluation.metrics import is_lower_better

HAND = np.array([[6, 1, 1, 0], [0, 1, 1, 2]])
"""8 pixels outside the truth and 4 inside, in four ranges of probabilities."""


def value(name, histogram):
    return load("metric", name)(np.asarray(histogram)).item()


def test_they_are_metrics_and_select_no_thresholds():
    assert set(OF_PROBABILITIES) <= set(names("metric")) - set(SELECTING)


@pytest.mark.parametrize("name", OF_PROBABILITIES)
class TestContract:
    def test_histograms_of_any_shape_are_scored_each_by_itself(self, name):
        many = np.random.default_rng(0).integers(0, 9, (3, 5, 2, 7)).astype(float)
        before = many.copy()
        values = load("metric", name)(many)
        assert values.shape == (3, 5)
        assert np.array_equal(many, before)
        for place in np.ndindex(3, 5):
            assert values[place] == value(name, many[place])

    def test_without_truth_there_is_no_value(self, name):
        assert np.isnan(value(name, [[5, 3, 1], [0, 0, 0]]))
        assert np.isnan(value(name, [[0, 0, 0], [0, 0, 0]]))

    def test_a_perfect_order_scores_1(self, name):
        assert value(name, [[5, 2, 0, 0], [0, 0, 1, 3]]) == 1

    def test_only_the_order_of_pixels_counts(self, name):
        """The same pixels with less confidence: the ranges above are empty."""
        assert value(name, [[6, 1, 1, 0, 0, 0], [0, 1, 1, 2, 0, 0]]) == value(name, HAND)

    def test_a_better_order_scores_higher(self, name):
        assert value(name, [[6, 1, 1, 0], [0, 0, 1, 3]]) > value(name, HAND)

    def test_higher_is_better(self, name):
        assert not is_lower_better(load("metric", name))


def test_average_precision_by_hand():
    # From above: precision 2/2 for 2 pixels of the truth, 3/4 for one, 4/6 for the last.
    assert value("average_precision", HAND) == pytest.approx((2 * 1 + 3 / 4 + 4 / 6) / 4)
    # All pixels are tied.
    assert value("average_precision", [[0, 6], [0, 2]]) == 0.25


def test_the_oracle_by_hand():
    # Drawn are the last 1, 2 or 3 ranges: 2 of 4 + 0, 3 of 4 + 1, 4 of 4 + 2; never all four.
    assert value("iou_oracle", HAND) == pytest.approx(4 / 6)
    assert value("iou_oracle", [[0, 6], [0, 2]]) == 0.25
    assert value("iou_oracle", [[6, 0], [2, 0]]) == 0  # only the lowest range: nothing can be drawn


def histogram_of(probability, truth, edges=EDGES):
    maps = (torch.as_tensor(each)[None, None, None] for each in (probability, truth))
    return count_pixels(*maps, edges)[0, 0].numpy()


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_torchmetrics_up_to_the_width_of_a_range(seed):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(4000, generator=generator) < 0.1
    logits = torch.randn(4000, generator=generator) * 3 - 4 + 4 * truth
    expected = binary_average_precision(logits.sigmoid(), truth.long()).item()
    ours = value("average_precision", histogram_of(logits.sigmoid(), truth))
    assert ours == pytest.approx(expected, abs=0.0015)
    # With a range for each probability, it is the same.
    every = np.unique(logits.sigmoid().numpy()).tolist()
    exact = value("average_precision", histogram_of(logits.sigmoid(), truth, every))
    assert exact == pytest.approx(expected, abs=1e-6)
    tied = (logits.sigmoid() * 8).round() / 8
    expected = binary_average_precision(tied, truth.long()).item()
    ours = value("average_precision", histogram_of(tied, truth))
    assert ours == pytest.approx(expected, abs=1e-6)


def test_the_oracle_is_the_best_of_a_search():
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(4000, generator=generator) < 0.1
    probability = (torch.randn(4000, generator=generator) - 2 + 2 * truth).sigmoid()

    def iou(threshold):
        drawn = probability > threshold
        return ((drawn & truth).sum() / (drawn | truth).sum()).item()

    best = max(iou(edge) for edge in torch.tensor(EDGES))
    assert value("iou_oracle", histogram_of(probability, truth)) == pytest.approx(best)
    assert best > iou(0.5) > 0
