"""Toy segmenters: their logits are those of known probabilities of each pixel."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from chexseg.inference.ensemble import Member, predict

CPU = torch.device("cpu")


class Toy(nn.Module):
    """Gives each of the two classes a probability in the left and in the right half."""

    def __init__(self, *probabilities):
        super().__init__()
        self.probabilities = torch.tensor(probabilities)

    def forward(self, image):
        self.side = image.shape[-1]
        left, right = self.probabilities.logit().T[:, None, :, None, None]
        halves = (torch.arange(self.side) < self.side // 2).float().expand(1, 1, self.side, -1)
        return halves * left + (1 - halves) * right


def member(*probabilities, thresholds=(0.5, 0.5), side=32):
    return Member(Toy(*probabilities), side, torch.tensor(thresholds)[:, None, None])


@pytest.fixture
def x_ray(tmp_path):
    Image.new("L", (32, 32)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def found_by(x_ray, *members):
    found = predict(members, x_ray, CPU)
    halves = found.probability[:, 0, [0, -1]], found.masks[:, 0, [0, -1]]
    return (*halves, found.disagreement)


def test_one_segmenter_agrees_with_itself(x_ray):
    probability, masks, disagreement = found_by(x_ray, member((0.9, 0.2), (0.4, 0.6)))
    np.testing.assert_allclose(probability, [[0.9, 0.2], [0.4, 0.6]], rtol=1e-6)
    assert masks.tolist() == [[True, False], [False, True]]
    assert disagreement.tolist() == [0, 0]


def test_probabilities_and_thresholds_are_averaged(x_ray):
    first = member((0.9, 0.2), (0.4, 0.6), thresholds=(0.5, 0.2))
    second = member((0.3, 0.4), (0.1, 0.3), thresholds=(0.5, 0.4))
    probability, masks, disagreement = found_by(x_ray, first, second)
    np.testing.assert_allclose(probability, [[0.6, 0.3], [0.25, 0.45]], rtol=1e-6)
    assert masks.tolist() == [[True, False], [False, True]]
    # Of both classes, the first segmenter marks pixels and the second none.
    assert disagreement.tolist() == [1, 1]


def test_disagreement_is_the_share_that_not_all_mark(x_ray):
    first, second = member((0.9, 0.8), (0.1, 0.2)), member((0.9, 0.1), (0.1, 0.2))
    *_, disagreement = found_by(x_ray, first, second)
    assert disagreement.tolist() == [0.5, 0]  # nobody marks the second class


def test_members_may_take_squares_of_other_sizes(tmp_path):
    Image.new("L", (20, 40)).save(tmp_path / "a.png")
    members = [member((0.9, 0.2), (0.4, 0.6), side=side) for side in (32, 64, 32)]
    found = predict(members, tmp_path / "a.png", CPU)
    assert [each.model.side for each in members] == [32, 64, 32]
    assert found.masks.shape == found.probability.shape == (2, 40, 20)
    assert found.probability.dtype == np.float32
