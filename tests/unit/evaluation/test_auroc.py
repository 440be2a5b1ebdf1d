import math

import numpy as np
import pytest
import torch

from chexseg.evaluation.auroc import auroc_of_each, mean_of_known

NAN = math.nan


def test_literal_labels_of_which_only_1_and_0_count():
    labels = torch.tensor([[1, 1, 1], [1, -1, 1], [0, NAN, 1], [0, 0, NAN]])
    probability = torch.tensor([[0.9, 0.2, 0.5], [0.4, 0.9, 0.5], [0.5, 0.9, 0.5], [0.1, 0.1, 0.5]])
    np.testing.assert_array_equal(auroc_of_each(probability, labels), [0.75, 1, NAN])


def test_no_auroc_without_both_kinds_of_labels():
    assert np.isnan(auroc_of_each(torch.rand(3, 14), torch.zeros(3, 14))).all()


def test_the_mean_leaves_out_what_is_not_known():
    assert mean_of_known(np.array([0.75, NAN, 1.0])) == pytest.approx(0.875)
    assert math.isnan(mean_of_known(np.array([NAN, NAN])))
