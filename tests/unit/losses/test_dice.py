import pytest
import torch

from chexseg.losses.dice import dice_loss


def certain(*rows: list[float]) -> torch.Tensor:
    """Logits of [B, P, 1, W] masks so large that their sigmoid is 0 or 1."""
    return (torch.tensor(rows) * 2 - 1) * 200


def test_one_pixel_of_probability_one_half():
    loss = dice_loss(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1))
    torch.testing.assert_close(loss, torch.tensor(1 / 3))  # 1 - 2 * 0.5 / 1.5


def test_mean_over_pathologies_with_truth_only():
    truth = torch.tensor([[[[1.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]]]])
    logits = certain([[[1.0, 1.0]], [[1.0, 1.0]], [[1.0, 1.0]]])
    # Dice 1 and 2/3; the third pathology has no truth.
    torch.testing.assert_close(dice_loss(logits, truth), torch.tensor((0 + 1 / 3) / 2))


def test_sums_run_over_the_batch():
    truth = torch.tensor([[[[1.0, 1.0]]], [[[0.0, 0.0]]]])
    logits = certain([[[1.0, 1.0]]], [[[1.0, 0.0]]])
    torch.testing.assert_close(dice_loss(logits, truth), torch.tensor(1 - 4 / 5))


def test_nothing_that_counts_gives_zero_loss_and_zero_gradient():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = dice_loss(logits, torch.zeros(2, 3, 4, 4))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_soft_truth():
    loss = dice_loss(torch.zeros(1, 1, 1, 2), torch.tensor([[[[0.5, 0.25]]]]))
    torch.testing.assert_close(loss, torch.tensor(1 - 2 * 0.375 / 1.75))


def test_half_precision_sums_do_not_overflow():
    loss = dice_loss(torch.zeros(1, 1, 512, 512, dtype=torch.float16), torch.ones(1, 1, 512, 512))
    torch.testing.assert_close(loss, torch.tensor(1 / 3))


def test_equals_smp_when_every_pathology_has_truth():
    smp_losses = pytest.importorskip("segmentation_models_pytorch.losses")
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 8, 8, generator=generator)
    truth = (torch.rand(3, 4, 8, 8, generator=generator) > 0.7).float()
    torch.testing.assert_close(
        dice_loss(logits, truth), smp_losses.DiceLoss("multilabel")(logits, truth)
    )
