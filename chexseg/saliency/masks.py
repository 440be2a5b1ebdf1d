"""From maps to masks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cut(maps: Tensor, positive: Tensor, *, size: int, threshold: float) -> Tensor:
    """Cuts maps at a share of their maximum, for the pathologies that the labels name.

    Each map is resized bilinearly, then scaled to a maximum of 1.

    Args:
        maps: [B, P, h, w], at least 0.
        positive: [B, P] bool: the image-level labels; a pathology without label has no mask.
        size: side of the masks in pixels.
        threshold: a pixel belongs to the mask if its scaled value is above.

    Returns:
        [B, P, size, size] bool. A map that is 0 everywhere gives an empty mask.
    """
    resized = functional.interpolate(
        maps.float(), size=(size, size), mode="bilinear", align_corners=False
    )
    highest = resized.amax((2, 3), keepdim=True)
    scaled = resized / torch.where(highest > 0, highest, 1)
    return (scaled > threshold) & (highest > 0) & positive[..., None, None]
