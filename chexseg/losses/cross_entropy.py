"""Binary cross-entropy of multi-label segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def cross_entropy_loss(
    logits: Tensor,
    truth: Tensor,
    known: Tensor | None = None,
    *,
    background_weight: float = 1.0,
) -> Tensor:
    """Returns the binary cross-entropy, weighted mean over the known pixels of all pathologies.

    With soft masks it is lowest where the probabilities equal them, which makes it the loss of
    distillation (Hinton, Vinyals, Dean, 2015).

    Args:
        logits: [B, P, H, W].
        truth: [B, P, H, W], in [0, 1]; soft masks are allowed.
        known: [B, P, H, W], 1 where the truth is known, 0 for pixels to ignore; None: all are
            known.
        background_weight: weight of a pixel whose truth is 0, above 0; one whose truth is 1 has
            weight 1, and others lie between them. Most pixels are background: PSSL (Li et al.,
            arXiv 2207.03335) pre-trains with 0.1.

    Returns:
        A scalar of at least 0; 0, with gradient 0, if nothing is known. The gradient of an ignored
        pixel is 0.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    logits, truth = logits.float(), truth.float()
    if background_weight == 1:
        if known is None:
            return binary_cross_entropy_with_logits(logits, truth)
        entropy = binary_cross_entropy_with_logits(logits, truth, known, reduction="sum")
        return entropy / known.sum().clamp(min=1)
    weight = background_weight + (1 - background_weight) * truth
    weight = weight if known is None else weight * known
    entropy = binary_cross_entropy_with_logits(logits, truth, weight, reduction="sum")
    return entropy / weight.sum().clamp(min=background_weight)
