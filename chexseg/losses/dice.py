"""Soft Dice loss of multi-label segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def dice_loss(logits: Tensor, truth: Tensor, known: Tensor | None = None) -> Tensor:
    """Returns the class-average soft Dice loss: 1 - 2 |P T| / (|P| + |T|), mean over pathologies.

    P is the sigmoid of the logits. Sums run over the known pixels of the whole batch, so false
    positives in an image without the pathology also count. A pathology without truth in the whole
    batch is left out of the mean, since its Dice is undefined.

    smp's `DiceLoss` (0.6.0) computes the same Dice per class. It is not used here because it keeps
    undefined classes in the mean, as zeros, so that the gradient of a batch shrinks with every
    pathology missing from it, and because it cannot ignore a pathology in a single image.

    Args:
        logits: [B, P, H, W].
        truth: [B, P, H, W], in [0, 1]; soft masks are allowed.
        known: [B, P, H, W], 1 where the truth is known, 0 for pixels to ignore; None: all are
            known.

    Returns:
        A scalar in [0, 1]; 0, with gradient 0, if no pathology has truth. The gradient of an
        ignored pixel is 0.
    """
    probability = logits.float().sigmoid()
    truth = truth.float()
    if known is not None:
        probability, truth = probability * known, truth * known
    overlap = (probability * truth).sum((2, 3))
    size = truth.sum((2, 3))
    total = probability.sum((2, 3)) + size
    overlap, size, total = overlap.sum(0), size.sum(0), total.sum(0)
    counts = size > 0
    dice = 2 * overlap / total.where(counts, 1.0)
    return ((1 - dice) * counts).sum() / counts.sum().clamp(min=1)
