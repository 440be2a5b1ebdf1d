"""Soft Dice loss of multi-label segmentation."""

from __future__ import annotations

from torch import Tensor


def dice_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Class-average soft Dice loss: 1 - 2 |P T| / (|P| + |T|), mean over pathologies.

    P is the sigmoid of the logits. Sums run over the pixels of the whole batch, so an image
    without a pathology adds its false positives to those of the others. A pathology without
    truth in the whole batch does not count: its Dice is undefined.

    smp's `DiceLoss` (0.6.0) has the same Dice per class. It is not used here because it keeps
    undefined classes in the mean, as zeros, so that a batch's gradient shrinks with every
    pathology that is missing from it, and because it cannot leave out a pathology of one image.

    Args:
        logits: [B, P, H, W].
        truth: [B, P, H, W], in [0, 1]; soft masks are allowed.

    Returns:
        A scalar in [0, 1]; 0, with gradient 0, when no pathology counts.
    """
    probability = logits.float().sigmoid()
    truth = truth.float()
    overlap = (probability * truth).sum((2, 3))
    size = truth.sum((2, 3))
    total = probability.sum((2, 3)) + size
    overlap, size, total = overlap.sum(0), size.sum(0), total.sum(0)
    counts = size > 0
    dice = 2 * overlap / total.where(counts, 1.0)
    return ((1 - dice) * counts).sum() / counts.sum().clamp(min=1)
