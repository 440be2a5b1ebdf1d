"""Losses for training IRNet on labels 1, 0 and 255.

Source: Ahn, Cho, Kwak, "Weakly supervised learning of instance segmentation with inter-pixel
relations", CVPR 2019, equations 5 to 8; `train_irn` in its published code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chexseg.affinity.paths import displacements, pad_pairs, pair_slices, path_affinity
from chexseg.errors import InputError, Problem

EPSILON = 1e-5


@dataclass(frozen=True)
class IRNetLosses:
    """Holds means over pairs of pixels; a term is 0 if there are no pairs of its kind.

    Attributes:
        foreground_positive: -log affinity of pairs with both pixels in the pathology.
        background_positive: -log affinity of pairs with both pixels in the background.
        negative: -log (1 - affinity) of pairs with one pixel in each.
        displacement_foreground: how far displacements within a pathology miss a common centre.
        displacement_background: how much displacements within the background differ.
        total: half of the affinity terms, in which the two positive terms have weight 1/2, plus
            half of the displacement terms.
    """

    foreground_positive: Tensor
    background_positive: Tensor
    negative: Tensor
    displacement_foreground: Tensor
    displacement_background: Tensor
    total: Tensor


def irnet_losses(edge: Tensor, displacement: Tensor, labels: Tensor, radius: int) -> IRNetLosses:
    """Returns the losses over pairs of pixels closer than `radius` whose labels are both certain.

    All pathologies share one edge map. A term is the sum over images, pathologies and pairs,
    divided by the number of its pairs, so every labelled pair has the same weight.

    Args:
        edge: [B, H, W] or [B, 1, H, W], boundary probabilities.
        displacement: [B, 2, H, W], rows and columns to the centre of a pixel's region, in pixels.
        labels: [B, P, H, W], 1, 0, or 255 for unsure.
        radius: in pixels.

    Raises:
        InputError: the shapes do not match.
    """
    batch, _, height, width = labels.shape
    if edge.numel() != batch * height * width or displacement.shape != (batch, 2, height, width):
        raise InputError(
            [
                Problem(
                    "irnet_losses: edge, displacement, labels",
                    f"shapes {[tuple(tensor.shape) for tensor in (edge, displacement, labels)]}",
                    "[B, H, W], [B, 2, H, W] and [B, P, H, W]",
                    "Resize the labels to the size of the edge map.",
                )
            ]
        )
    edge = edge.float().reshape(batch, height, width)
    affinity = path_affinity(edge, radius)
    foreground, background, opposite = _count_pairs(labels, radius)
    attraction = -torch.log(affinity + EPSILON)
    repulsion = -torch.log(1 + EPSILON - affinity)
    off_centre, apart = _displacement_errors(displacement.float(), radius)

    foreground_positive = _mean(attraction, foreground)
    background_positive = _mean(attraction, background)
    negative = _mean(repulsion, opposite)
    displacement_foreground = _mean(off_centre, foreground)
    displacement_background = _mean(apart, background)
    positive = (foreground_positive + background_positive) / 2
    total = (positive + negative + displacement_foreground + displacement_background) / 2
    return IRNetLosses(
        foreground_positive,
        background_positive,
        negative,
        displacement_foreground,
        displacement_background,
        total,
    )


def _mean(errors: Tensor, counts: Tensor) -> Tensor:
    return (errors * counts).sum() / (counts.sum() + EPSILON)


@torch.no_grad()
def _count_pairs(labels: Tensor, radius: int) -> tuple[Tensor, Tensor, Tensor]:
    """Counts the pathologies for which a pair is foreground, background, or one of each.

    Each count is [B, D, H, W] float, and 0 for pairs that leave the image.
    """
    batch, _, height, width = labels.shape
    is_foreground, is_background = (labels == 1).float(), (labels == 0).float()
    pairs = displacements(radius)
    counts = torch.zeros(3, batch, len(pairs), height, width, device=labels.device)
    for index, displacement in enumerate(pairs):
        source, partner = pair_slices(displacement, height, width)
        foreground, background = is_foreground[(..., *source)], is_background[(..., *source)]
        foreground_partner = is_foreground[(..., *partner)]
        background_partner = is_background[(..., *partner)]
        target = counts[(slice(None), slice(None), index, *source)]
        target[0] = (foreground * foreground_partner).sum(1)
        target[1] = (background * background_partner).sum(1)
        target[2] = (foreground * background_partner + background * foreground_partner).sum(1)
    return counts[0], counts[1], counts[2]


def _displacement_errors(displacement: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Returns how far pairs are from having the same centre, and the same displacement.

    Each is [B, D, H, W], the mean over rows and columns in pixels, and 0 for pairs that leave the
    image. Pixels a and b have the same centre if displacement(a) - displacement(b) = b - a.
    """
    batch, _, height, width = displacement.shape
    pairs = displacements(radius)
    off_centre, apart = [], []
    for pair in pairs:
        source, partner = pair_slices(pair, height, width)
        difference = displacement[(..., *source)] - displacement[(..., *partner)]
        path = difference.new_tensor(pair)[:, None, None]
        for errors, error in ((off_centre, difference - path), (apart, difference)):
            errors.append(pad_pairs(error.abs().mean(1), pair, height, width))
    if not pairs:
        empty = displacement.new_zeros(batch, 0, height, width)
        return empty, empty
    return torch.stack(off_centre, 1), torch.stack(apart, 1)
