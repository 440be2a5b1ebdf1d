"""Regions of X-rays to contrast: abnormal ones, and normal tissue at the same places."""

from __future__ import annotations

import torch
from torch import Tensor

ABNORMAL, NORMAL, ABSENT = 1, 0, -1
"""Kinds of regions."""


def contrasted_regions(boxes: Tensor, normal: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Chooses the regions of a batch to contrast, equally many for each X-ray.

    - In an X-ray with boxes, each box is abnormal. Its mirror image across the middle of the X-ray is
      normal if it touches no box: lung is compared with lung.
    - A normal X-ray has the boxes of another one as normal regions: the same places. The first normal
      X-ray takes those of the first with boxes, and so on, around again if there are fewer of those.
    - Any other X-ray has none: nobody drew boxes, but nobody said that it is normal.

    Args:
        boxes: [B, N, 4], in pixels of the square: x_min, y_min, x_max, y_max; NaN for none.
        normal: bool [B], whether the readers found nothing in an X-ray.
        width: of the square.

    Returns:
        Regions [B, 2N, 4], NaN where absent; and their kinds, int64 [B, 2N].
    """
    mirrored = torch.stack(
        [width - boxes[..., 2], boxes[..., 1], width - boxes[..., 0], boxes[..., 3]], dim=-1
    )
    mirrored = mirrored.masked_fill(_touching(mirrored, boxes)[..., None], torch.nan)
    shown = boxes.isfinite().all(-1).any(1)
    takers, givers = torch.nonzero(normal & ~shown)[:, 0], torch.nonzero(shown)[:, 0]
    places = torch.full_like(boxes, torch.nan)
    if len(givers):
        turn = torch.arange(len(takers), device=boxes.device) % len(givers)
        places[takers] = boxes[givers[turn]]
    regions = torch.cat([boxes.where(shown[:, None, None], places), mirrored], 1)
    kinds = torch.full(regions.shape[:2], NORMAL, device=boxes.device)
    kinds[:, : boxes.shape[1]] = torch.where(shown, ABNORMAL, NORMAL)[:, None]
    return regions, kinds.masked_fill(~regions.isfinite().all(-1), ABSENT)


def _touching(some: Tensor, others: Tensor) -> Tensor:
    """Returns which of some boxes [B, N, 4] touch any of others [B, M, 4]: bool [B, N]."""
    low = torch.maximum(some[:, :, None, :2], others[:, None, :, :2])
    high = torch.minimum(some[:, :, None, 2:], others[:, None, :, 2:])
    return (low <= high).all(-1).any(-1)  # False for NaN


def pool_regions(
    features: Tensor, regions: Tensor, side: int, weight: Tensor | None = None
) -> Tensor:
    """Averages features over regions, a pixel by the share of it that a region covers.

    Args:
        features: [B, C, h, w], such as of a decoder, whose maps are `side` / h times smaller than the
            square.
        regions: [B, K, 4] in pixels of the square; NaN for none.
        side: of the square.
        weight: [B, 1, h, w] of at least 0, such as the probability of being abnormal, so that the
            healthy tissue in a box counts for less; None: all pixels count the same.

    Returns:
        [B, K, C]; 0 for absent regions, and for those whose weight is 0.
    """
    features = features.float()
    regions = regions.to(features.dtype).nan_to_num(0.0)
    rows = _coverage(regions[..., 1::2], features.shape[2], side)
    columns = _coverage(regions[..., 0::2], features.shape[3], side)
    if weight is None:
        weight = torch.ones_like(features[:, :1])
    total = torch.einsum("bhw,bkh,bkw->bk", weight[:, 0].float(), rows, columns)
    summed = torch.einsum("bchw,bkh,bkw->bkc", features * weight, rows, columns)
    return summed / total.clamp(min=torch.finfo(total.dtype).tiny)[..., None]


def _coverage(ends: Tensor, length: int, side: int) -> Tensor:
    """Returns which share of each of `length` cells lies between ends: [B, K, 2] -> [B, K, length]."""
    low, high = (ends * (length / side)).unsqueeze(-1).unbind(-2)
    cell = torch.arange(length, device=ends.device)
    return (torch.minimum(high, cell + 1.0) - torch.maximum(low, cell.to(low.dtype))).clamp(min=0)
