"""What every loss of segmentation promises, and the values of cross-entropy."""

import math

import pytest
import torch

from chexseg import catalog
from chexseg.config.methods import inputs_of
from chexseg.losses.cross_entropy import cross_entropy_loss
from chexseg.losses.dice import dice_loss
from chexseg.losses.focal import focal_loss

OF_MASKS = [name for name in catalog.names("loss") if "truth" in inputs_of("loss", name)]
LOSSES = [pytest.param(catalog.load("loss", name), id=name) for name in OF_MASKS]


def random_batch(seed=0):
    """Logits, hard masks with truth for every pathology, and which pixels are known."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 2, 5, 6, generator=generator)
    truth = (torch.rand(3, 2, 5, 6, generator=generator) > 0.6).float()
    known = (torch.rand(3, 2, 5, 6, generator=generator) > 0.4).float()
    return logits, truth, known


@pytest.mark.parametrize("loss", LOSSES)
def test_better_logits_have_a_smaller_loss(loss):
    _, truth, _ = random_batch()
    right = (truth * 2 - 1) * 20
    assert 0 <= loss(right, truth) < loss(right / 20, truth) < loss(-right, truth)


@pytest.mark.parametrize("loss", LOSSES)
def test_an_ignored_pixel_has_no_gradient_and_no_influence(loss):
    logits, truth, known = random_batch()
    logits.requires_grad_()
    value = loss(logits, truth, known)
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.equal(gradient[known == 0], torch.zeros(int((known == 0).sum())))
    assert (gradient[known == 1] != 0).all()
    others = torch.where(known == 1, logits, torch.tensor(9.0)), truth.where(known == 1, 1.0)
    torch.testing.assert_close(loss(*others, known), value)


@pytest.mark.parametrize("loss", LOSSES)
def test_all_known_is_the_same_as_nothing_ignored(loss):
    logits, truth, _ = random_batch()
    torch.testing.assert_close(loss(logits, truth, torch.ones_like(truth)), loss(logits, truth))


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_known_gives_zero_loss_and_zero_gradient(loss):
    logits, truth, _ = random_batch()
    logits.requires_grad_()
    value = loss(logits, truth, torch.zeros_like(truth))
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.item() == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_cross_entropy_by_hand():
    logits = torch.tensor([[[[0.0, math.log(3)]]]])  # probabilities 1/2 and 3/4
    truth = torch.tensor([[[[1.0, 0.0]]]])
    expected = (math.log(2) + math.log(4)) / 2
    torch.testing.assert_close(cross_entropy_loss(logits, truth), torch.tensor(expected))
    known = torch.tensor([[[[0.0, 1.0]]]])
    torch.testing.assert_close(cross_entropy_loss(logits, truth, known), torch.tensor(math.log(4)))


def test_soft_cross_entropy_is_lowest_at_the_truth():
    truth = torch.full((1, 1, 1, 1), 0.25)
    at = [cross_entropy_loss(torch.full((1, 1, 1, 1), p).logit(), truth) for p in (0.2, 0.25, 0.3)]
    assert at[1] < min(at[0], at[2])


def test_dice_of_known_pixels_by_hand():
    logits = torch.zeros(1, 1, 1, 3)  # probability 1/2
    truth, known = torch.tensor([[[[1.0, 1.0, 0.0]]]]), torch.tensor([[[[1.0, 0.0, 0.0]]]])
    torch.testing.assert_close(dice_loss(logits, truth, known), torch.tensor(1 / 3))


def test_background_weight_by_hand():
    """A weighted mean: the pixel of the finding has weight 1, that of background 1/10."""
    logits = torch.tensor([[[[0.0, math.log(3)]]]])  # probabilities 1/2 and 3/4
    truth = torch.tensor([[[[1.0, 0.0]]]])
    expected = (math.log(2) + 0.1 * math.log(4)) / 1.1
    value = cross_entropy_loss(logits, truth, background_weight=0.1)
    torch.testing.assert_close(value, torch.tensor(expected))
    known = torch.tensor([[[[0.0, 1.0]]]])
    value = cross_entropy_loss(logits, truth, known, background_weight=0.1)
    torch.testing.assert_close(value, torch.tensor(math.log(4)))


def test_background_weight_keeps_what_is_not_known_out_and_soft_truth_lowest():
    logits, truth, known = random_batch()
    logits.requires_grad_()
    value = cross_entropy_loss(logits, truth, known, background_weight=0.1)
    (gradient,) = torch.autograd.grad(value, logits)
    assert (gradient[known == 0] == 0).all()
    assert (gradient[known == 1] != 0).all()
    nothing = cross_entropy_loss(logits, truth, torch.zeros_like(known), background_weight=0.1)
    assert nothing.item() == 0
    soft = torch.full((1, 1, 1, 1), 0.25)
    at = [
        cross_entropy_loss(torch.full((1, 1, 1, 1), p).logit(), soft, background_weight=0.1)
        for p in (0.2, 0.25, 0.3)
    ]
    assert at[1] < min(at[0], at[2])


def test_focal_by_hand():
    logits = torch.tensor([[[[0.0, math.log(3)]]]])  # probabilities 1/2 and 3/4
    truth = torch.tensor([[[[1.0, 0.0]]]])
    terms = 0.25 * 0.5**2 * math.log(2), 0.75 * 0.75**2 * math.log(4)
    torch.testing.assert_close(focal_loss(logits, truth), torch.tensor(sum(terms) / 2))
    known = torch.tensor([[[[0.0, 1.0]]]])
    torch.testing.assert_close(focal_loss(logits, truth, known), torch.tensor(terms[1]))


def test_focal_equals_torchvision_for_hard_masks():
    ops = pytest.importorskip("torchvision.ops")
    logits, truth, _ = random_batch()
    expected = ops.sigmoid_focal_loss(logits, truth, alpha=0.25, gamma=2, reduction="mean")
    torch.testing.assert_close(focal_loss(logits, truth), expected)


def test_soft_focal_is_lowest_at_the_truth():
    truth = torch.full((1, 1, 1, 1), 0.25)
    at = [focal_loss(torch.full((1, 1, 1, 1), p).logit(), truth) for p in (0.2, 0.25, 0.3)]
    assert at[1] < min(at[0], at[2])


def test_what_losses_are_computed_from():
    assert OF_MASKS == ["dice", "cross_entropy", "focal"]
    assert inputs_of("loss", "dice") == ("logits", "truth", "known")
    assert inputs_of("loss", "boxes") == ("logits", "boxes", "agreement")
