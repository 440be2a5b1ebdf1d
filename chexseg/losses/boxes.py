"""A loss for boxes as targets: what a box says of the pixels, and no more.

A box is given twice: `inner` is what all of its readers enclose, `outer` what any of them does. With
one reader, or readers who agree, both are the same box. It says four things, each a term of its own:

- Nothing is abnormal outside every outer box: `outside_loss`.
- Every row and column of an inner box holds something abnormal: `projection_loss`.
- Its lesion fills some of it and not all: `size_loss`.
- Between inner and outer box, evidence falls outwards: `edge_loss`. The more readers disagree, the
  wider that zone is, and the less is asked of its pixels.

All are 0 for a convex lesion that touches the four sides of the inner box, lies in the outer box, and
is predicted with certainty. `chexseg.losses.of_boxes` is their weighted sum. Boxes have the form of
`chexseg.data.box_fusion.padded_boxes`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

SMALLEST, LARGEST = 0.2, 0.9
"""Shares of a box that a lesion fills; an ellipse fills 0.785. Ours: below is a thin diagonal line."""


@dataclass(frozen=True)
class Regions:
    """Holds the pixels of M boxes of a batch; rows and columns that a box covers.

    Attributes:
        image: [M] int64, the X-ray of each box, in the batch.
        inner: rows [M, H] and columns [M, W], bool; all False without an inner box.
        outer: the same of the outer box.
        inside: bool [B, H, W], whether a pixel is in any outer box of its X-ray.
        shared: bool [M, H, W], whether a pixel is in the outer box of another box of its X-ray.
        weight: [M], how much each box counts.
    """

    image: Tensor
    inner: tuple[Tensor, Tensor]
    outer: tuple[Tensor, Tensor]
    inside: Tensor
    shared: Tensor
    weight: Tensor


def regions_of(boxes: Tensor, height: int, width: int, agreement: Tensor | None = None) -> Regions:
    """Finds the pixels of boxes: those with their centre inside, at least one row and column.

    Args:
        boxes: [B, N, 2, 4], inner and outer box of each, in pixels: x_min, y_min, x_max, y_max. NaN
            in both for no box, in the inner one alone if nothing is sure.
        height, width: size of the X-rays.
        agreement: [B, N] in [0, 1], how much each box counts, such as the share of readers who drew
            it; None: all count the same.
    """
    present = boxes[:, :, 1].isfinite().all(-1)
    image = torch.arange(len(boxes), device=boxes.device)[:, None].expand_as(present)[present]
    inner, outer = boxes[present].float().unbind(1)
    rows, columns = _covered(outer[:, 1::2], height), _covered(outer[:, 0::2], width)
    own = rows[:, :, None] & columns[:, None]
    count = torch.zeros(len(boxes), height, width, dtype=torch.int32, device=boxes.device)
    count.index_add_(0, image, own.int())
    weight = torch.ones_like(present, dtype=torch.float32) if agreement is None else agreement
    return Regions(
        image, (_covered(inner[:, 1::2], height), _covered(inner[:, 0::2], width)),
        (rows, columns), count > 0, count[image] - own.int() > 0, weight[present].float(),
    )  # fmt: skip


def _covered(ends: Tensor, length: int) -> Tensor:
    """Returns which of `length` pixels are between the ends [M, 2]: bool [M, length]."""
    low, high = ends[:, :1], ends[:, 1:]
    first = torch.arange(length, device=ends.device)
    inside = (first + 0.5 >= low) & (first + 0.5 < high)
    nearest = ((low + high) / 2).floor() == first
    return torch.where(inside.any(1, keepdim=True), inside, nearest)


def outside_loss(logits: Tensor, regions: Regions) -> Tensor:
    """Returns the cross-entropy of the pixels outside every outer box, which are all normal.

    These are the negative bags of generalised multiple-instance learning: single pixels (Wang, Xia,
    "Bounding box tightness prior for weakly supervised image segmentation", MICCAI 2021).

    Args:
        logits: [B, H, W].
        regions: from `regions_of`.

    Returns:
        The mean over these pixels of the batch; 0 if there are none.
    """
    outside = ~regions.inside
    return (softplus(logits) * outside).sum() / outside.sum().clamp(min=1)


def projection_loss(logits: Tensor, regions: Regions) -> Tensor:
    """Returns the cross-entropy of the rows and columns of inner boxes, which all hold an abnormality.

    A box is tight, so that the lesion's projections on both axes fill it (the projection term of
    BoxInst: Tian et al., CVPR 2021). Each row and each column is a positive bag, whose probability is
    a smooth maximum of its pixels' (Wang, Xia, MICCAI 2021). BoxInst compares projections by Dice,
    which judges rows outside the box too: here, `outside_loss` does.

    Args:
        logits: [B, H, W].
        regions: from `regions_of`.

    Returns:
        The mean over the rows, and that over the columns, of each box; averaged, and then averaged
        over boxes. 0 without inner boxes.
    """
    rows, columns = regions.inner
    maps = logits[regions.image]
    down = _log_maximum(maps, columns[:, None])
    across = _log_maximum(maps.mT, rows[:, None])
    lines = _mean(-down, rows) / 2 + _mean(-across, columns) / 2
    return _over_boxes(lines, regions.weight * rows.any(1))


def _log_maximum(logits: Tensor, line: Tensor) -> Tensor:
    """Returns the log of the smooth maximum of the probabilities of lines, [M, K, L] -> [M, K].

    This is the alpha-softmax of Wang and Xia: the mean of the probabilities, each weighted by the
    exponential of alpha times itself. Here the weight is the pixel's odds, the exponential of its
    logit. So the maximum is 1 where a single pixel is certain, whatever the length of the line, and
    the mean where all are equal.

    Args:
        logits: [M, K, L].
        line: bool [M, 1, L], the pixels that count; 0 is returned if there are none.
    """
    nothing = ~line.any(-1, keepdim=True)
    weight = logits.masked_fill(~line & ~nothing, -torch.inf).log_softmax(-1)
    found = (weight + logsigmoid(logits)).logsumexp(-1)
    return found.masked_fill(nothing[..., 0], 0.0)


def size_loss(logits: Tensor, regions: Regions) -> Tensor:
    """Returns by how much lesions are smaller or larger than a lesion in their box can be.

    The sum of the probabilities in the outer box, the soft size, should be at least SMALLEST times
    the size of the inner box and at most LARGEST times that of the outer box. Outside these limits,
    the square of the relative distance counts (Kervadec et al., "Constrained-CNN losses for weakly
    supervised segmentation", Medical Image Analysis 2019; for boxes, MIDL 2020).

    Args:
        logits: [B, H, W].
        regions: from `regions_of`.

    Returns:
        The mean over boxes; 0 without inner boxes.
    """
    inner, outer = (
        (rows[:, :, None] & columns[:, None]) for rows, columns in (regions.inner, regions.outer)
    )
    size = (logits.sigmoid()[regions.image] * outer).sum((1, 2))
    least, most = SMALLEST * inner.sum((1, 2)), LARGEST * outer.sum((1, 2))
    small = (1 - size / least.clamp(min=1e-6)).relu() ** 2
    large = (size / most.clamp(min=1e-6) - 1).relu() ** 2
    return _over_boxes(small + large, regions.weight * inner.any(2).any(1))


def edge_loss(logits: Tensor, regions: Regions) -> Tensor:
    """Returns how much evidence rises from the inner box outwards, where it should only fall.

    In the zone between a side of the inner and of the outer box, and on the step out of the outer
    box, a pixel must not be more probable than its neighbour further in (the monotonicity constraint
    of MonoBox: Hu et al., AAAI 2025, arXiv 2404.01188). There the zone has a fixed width and the
    constraint acts on a proxy of the responses; here it is what the readers leave open, and the
    probabilities are compared directly.

    Args:
        logits: [B, H, W].
        regions: from `regions_of`.

    Returns:
        The mean rise over the steps between neighbours of each box, averaged over boxes. Steps into
        or within another box do not count, since its own lesion may lie there. 0 without inner boxes.
    """
    probability = logits.sigmoid()[regions.image]
    rows, columns = regions.outer
    sides = [
        _rises(maps, free, line, zone, inside)
        for maps, free, line, zone, inside in (
            (probability, ~regions.shared, rows, regions.inner[1], columns),
            (probability.mT, ~regions.shared.mT, columns, regions.inner[0], rows),
        )
    ]
    rise, steps = (torch.stack(parts).sum(0) for parts in zip(*sides, strict=True))
    counted = regions.weight * regions.inner[0].any(1) * (steps > 0)
    return _over_boxes(rise / steps.clamp(min=1), counted)


def _rises(
    maps: Tensor, free: Tensor, across: Tensor, inner: Tensor, outer: Tensor
) -> tuple[Tensor, Tensor]:
    """Sums the outward rises along the last axis, over both sides of each box.

    Args:
        maps: [M, K, L] probabilities.
        free: bool [M, K, L], pixels that are in no other box.
        across: bool [M, K], lines that the outer box covers.
        inner, outer: bool [M, L], what inner and outer box cover of a line.

    Returns:
        Sum of the rises and number of the steps, each [M].
    """
    usable = free[..., 1:] & free[..., :-1] & across[..., None]
    rise = maps[..., 1:] - maps[..., :-1]  # from a pixel to the next
    before = inner.int().cumsum(-1) == 0  # pixels before the first of the inner box
    after = inner.flip(-1).int().cumsum(-1).flip(-1) == 0
    step_after = (after[:, 1:] & outer[:, :-1])[:, None] & usable
    step_before = (before[:, :-1] & outer[:, 1:])[:, None] & usable
    total = (rise.relu() * step_after + (-rise).relu() * step_before).sum((1, 2))
    return total, (step_after.sum((1, 2)) + step_before.sum((1, 2))).float()


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    """Averages [M, K] over what counts, bool [M, K]; 0 if nothing does."""
    return (values * counted).sum(-1) / counted.sum(-1).clamp(min=1)


def _over_boxes(values: Tensor, weight: Tensor) -> Tensor:
    """Averages [M] with weights [M]; 0 if they are all 0 or there are no boxes."""
    return (values * weight).sum() / weight.sum().clamp(min=torch.finfo(torch.float32).tiny)
