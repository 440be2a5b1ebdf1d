"""Converts saliency maps to masks."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from chexseg.files.store_format import CERTAIN, UNKNOWN


def cut(
    maps: Tensor,
    positive: Tensor,
    *,
    size: int,
    threshold: float | Literal["otsu"],
    fill: bool = False,
    certain_background: float | None = None,
) -> Tensor:
    """Thresholds maps at a fraction of their maximum, for pathologies with a positive label.

    Each map is resized bilinearly and then scaled to a maximum of 1.

    Args:
        maps: [B, P, h, w], at least 0.
        positive: [B, P] bool, the image-level labels; the mask of a negative label is empty.
        size: side of the masks in pixels.
        threshold: pixels whose scaled value is above this belong to the mask; "otsu": each map has
            its own, by Otsu's method (scikit-image's, with 256 bins).
        fill: add the holes of a mask to it, so that it is all that its outer contours enclose.
        certain_background: pixels between this scaled value and the mask are not known; None: all
            pixels are.

    Returns:
        [B, P, size, size] bool, or uint8 levels (see `chexseg.data.levels`) if some pixels may not
        be known. A map that is 0 everywhere gives an empty mask.
    """
    resized = functional.interpolate(
        maps.float(), size=(size, size), mode="bilinear", align_corners=False
    )
    highest = resized.amax((2, 3), keepdim=True)
    scaled = resized / torch.where(highest > 0, highest, 1)
    wanted = (highest > 0) & positive[..., None, None]
    masks = (scaled > (_otsu(scaled, wanted) if threshold == "otsu" else threshold)) & wanted
    masks = _filled(masks) if fill else masks
    if certain_background is None:
        return masks
    # A positive X-ray whose map is 0 everywhere has the pathology somewhere.
    surely_not = (scaled < certain_background) & (highest > 0)
    known = masks | surely_not | ~positive[..., None, None]
    return (masks.to(torch.uint8) * CERTAIN).where(known, UNKNOWN)


def _otsu(scaled: Tensor, wanted: Tensor) -> Tensor:
    """Returns Otsu's threshold of each wanted map, [B, P, 1, 1]; 0 for the others."""
    from skimage.filters import threshold_otsu

    thresholds = torch.zeros(wanted.shape)
    for place in wanted.nonzero().tolist():
        thresholds[tuple(place)] = float(threshold_otsu(scaled[tuple(place[:2])].cpu().numpy()))
    return thresholds.to(scaled.device)


def _filled(masks: Tensor) -> Tensor:
    """Fills the holes of masks [B, P, H, W], as background counts what 4 neighbours connect."""
    from scipy.ndimage import binary_fill_holes

    filled = masks.cpu().numpy().copy()
    for place in np.argwhere(filled.any((2, 3))):
        filled[tuple(place)] = binary_fill_holes(filled[tuple(place)])
    return torch.from_numpy(filled).to(masks.device)
