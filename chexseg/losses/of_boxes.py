"""The loss for boxes: the sum of the terms of `chexseg.losses.boxes`, which imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def loss_of_boxes(
    logits: Tensor,
    boxes: Tensor,
    agreement: Tensor | None = None,
    *,
    outside_weight: float = 1.0,
    projection_weight: float = 1.0,
    size_weight: float = 1.0,
    edge_weight: float = 1.0,
) -> Tensor:
    """Returns the weighted sum of the four terms of `chexseg.losses.boxes`.

    Args:
        logits: [B, 1, H, W], of being abnormal.
        boxes: [B, N, 2, 4], see `chexseg.losses.boxes.regions_of`.
        agreement: [B, N], see `regions_of`; it weights all terms but `outside_loss`.
        outside_weight, projection_weight, size_weight, edge_weight: weights of the terms.

    Returns:
        A scalar of at least 0.

    Raises:
        ValueError: there is more than one logit for a pixel.
    """
    from chexseg.losses import boxes as terms

    if logits.shape[1] != 1:
        raise ValueError(f"{logits.shape[1]} logits for a pixel, not 1")
    logits = logits[:, 0].float()
    regions = terms.regions_of(boxes, *logits.shape[1:], agreement)
    return (
        outside_weight * terms.outside_loss(logits, regions)
        + projection_weight * terms.projection_loss(logits, regions)
        + size_weight * terms.size_loss(logits, regions)
        + edge_weight * terms.edge_loss(logits, regions)
    )
