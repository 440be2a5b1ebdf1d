"""Binary cross-entropy of multi-label segmentation."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def cross_entropy_loss(logits: Tensor, truth: Tensor, known: Tensor | None = None) -> Tensor:
    """Returns the binary cross-entropy, mean over the known pixels of all pathologies.

    With soft masks it is lowest where the probabilities equal them, which makes it the loss of
    distillation (Hinton, Vinyals, Dean, 2015).

    Args:
        logits: [B, P, H, W].
        truth: [B, P, H, W], in [0, 1]; soft masks are allowed.
        known: [B, P, H, W], 1 where the truth is known, 0 for pixels to ignore; None: all are
            known.

    Returns:
        A scalar of at least 0; 0, with gradient 0, if nothing is known. The gradient of an ignored
        pixel is 0.
    """
    if known is None:
        return binary_cross_entropy_with_logits(logits.float(), truth.float())
    entropy = binary_cross_entropy_with_logits(
        logits.float(), truth.float(), known, reduction="sum"
    )
    return entropy / known.sum().clamp(min=1)
