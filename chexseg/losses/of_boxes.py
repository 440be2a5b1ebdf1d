"""The loss for boxes, as a method of the catalog."""

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
    """Returns what boxes say of the logits: see `chexseg.losses.boxes.box_loss`.

    Args:
        logits: [B, 1, H, W], of being abnormal.
        boxes: [B, N, 2, 4], inner and outer boxes.
        agreement: [B, N], how much each box counts.
        outside_weight, projection_weight, size_weight, edge_weight: weights of the terms.

    Returns:
        A scalar of at least 0.
    """
    from chexseg.losses.boxes import Weights, box_loss

    weights = Weights(outside_weight, projection_weight, size_weight, edge_weight)
    return box_loss(logits, boxes, agreement, weights)
