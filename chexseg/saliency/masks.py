"""Converts saliency maps to masks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cut(maps: Tensor, positive: Tensor, *, size: int, threshold: float) -> Tensor:
    """Thresholds maps at a fraction of their maximum, for pathologies with a positive label.

    Each map is resized bilinearly and then scaled to a maximum of 1.

    Args:
        maps: [B, P, h, w], at least 0.
        positive: [B, P] bool, the image-level labels; the mask of a negative label is empty.
        size: side of the masks in pixels.
        threshold: pixels whose scaled value is above this belong to the mask.

    Returns:
        [B, P, size, size] bool. A map that is 0 everywhere gives an empty mask.
    """
    resized = functional.interpolate(
        maps.float(), size=(size, size), mode="bilinear", align_corners=False
    )
    highest = resized.amax((2, 3), keepdim=True)
    scaled = resized / torch.where(highest > 0, highest, 1)
    return (scaled > threshold) & (highest > 0) & positive[..., None, None]
