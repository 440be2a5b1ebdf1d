"""Focal loss of multi-label segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ALPHA, GAMMA = 0.25, 2.0
"""Weight of positive pixels (negative ones have 1 - ALPHA), and how fast sure pixels lose weight."""


def focal_loss(logits: Tensor, truth: Tensor, known: Tensor | None = None) -> Tensor:
    """Returns the focal loss, mean over the known pixels of all pathologies.

    The cross-entropy of a pixel is multiplied by (1 - p)^GAMMA, where p is the probability of its
    truth, and by ALPHA where it is positive, 1 - ALPHA where it is negative (Lin et al., "Focal loss
    for dense object detection", ICCV 2017, equation 5). For soft masks, p is 1 minus the distance
    from the truth, and ALPHA is mixed; torchvision's `sigmoid_focal_loss`, which gives the same for
    hard ones, is then not lowest at the truth.

    Args:
        logits: [B, P, H, W].
        truth: [B, P, H, W], in [0, 1]; soft masks are allowed.
        known: [B, P, H, W], 1 where the truth is known, 0 for pixels to ignore; None: all are
            known.

    Returns:
        A scalar of at least 0; 0, with gradient 0, if nothing is known. The gradient of an ignored
        pixel is 0.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    logits, truth = logits.float(), truth.float()
    entropy = binary_cross_entropy_with_logits(logits, truth, reduction="none")
    balance = ALPHA * truth + (1 - ALPHA) * (1 - truth)
    loss = balance * (logits.sigmoid() - truth).abs() ** GAMMA * entropy
    if known is None:
        return loss.mean()
    return (loss * known).sum() / known.sum().clamp(min=1)
