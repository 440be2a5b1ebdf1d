"""Selects a threshold per pathology: the candidate with the highest IoU on validation.

A pixel is positive if its probability is greater than the threshold, as in CheXseg's code, so at
the candidate 0 any nonzero probability is positive. CheXseg tries `numpy.arange(0, 1, 0.05)`. If
few pathologies have truth in validation, its code selects on the training images instead; here,
thresholds are always selected on validation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

CANDIDATES = tuple(number / 20 for number in range(20))
"""The candidate thresholds: 0, 0.05, ... 0.95."""

FALLBACK = 0.5
"""The threshold of a pathology without truth in validation."""


def threshold_counts(
    probability: Tensor, truth: Tensor, thresholds: Sequence[float] = CANDIDATES
) -> tuple[Tensor, Tensor, Tensor]:
    """Counts the pixels above each threshold, in one pass over the pixels.

    Args:
        probability: [B, P, H, W] float. NaN is not above any threshold.
        truth: [B, P, H, W] bool.
        thresholds: K increasing values, compared in the precision of `probability`.

    Returns:
        int64 counts: positive pixels inside the truth [B, P, K], positive pixels [B, P, K], and
        pixels of the truth [B, P].

    Raises:
        ValueError: the thresholds do not increase.
    """
    edges = torch.tensor(thresholds, dtype=probability.dtype, device=probability.device)
    if not bool((edges.diff() > 0).all()):
        raise ValueError(f"thresholds {tuple(thresholds)} do not increase")
    batch, pathologies = probability.shape[:2]
    # A pixel's bin is the number of thresholds below its probability.
    bins = torch.bucketize(probability.nan_to_num(nan=-torch.inf), edges, out_int32=True)
    maps = torch.arange(batch * pathologies, device=bins.device, dtype=torch.int32)
    place = (maps.view(batch, pathologies, 1, 1) * 2 + truth) * (len(edges) + 1) + bins
    histogram = place.flatten().bincount(minlength=batch * pathologies * 2 * (len(edges) + 1))
    histogram = histogram.view(batch, pathologies, 2, len(edges) + 1)
    above = histogram.flip(-1).cumsum(-1).flip(-1)[..., 1:]
    return above[:, :, 1], above.sum(2), histogram[:, :, 1].sum(-1)


class ThresholdSelection:
    """Sums counts over the batches of the validation set, and selects thresholds.

    Args:
        pathologies: number of pathologies P.
        thresholds: K candidates, increasing.
    """

    def __init__(self, pathologies: int, thresholds: Sequence[float] = CANDIDATES):
        self.thresholds = tuple(thresholds)
        self.intersection = torch.zeros(pathologies, len(self.thresholds), dtype=torch.int64)
        self.predicted = torch.zeros_like(self.intersection)
        self.truth = torch.zeros(pathologies, dtype=torch.int64)

    def update(self, probability: Tensor, truth: Tensor) -> None:
        """Adds a batch: probability [B, P, H, W] float, truth [B, P, H, W] bool, any device."""
        intersection, predicted, drawn = threshold_counts(probability, truth, self.thresholds)
        self.intersection += intersection.sum(0).cpu()
        self.predicted += predicted.sum(0).cpu()
        self.truth += drawn.sum(0).cpu()

    def iou(self) -> Tensor:
        """Returns the IoU at each threshold: [P, K] float64, NaN for a pathology without truth."""
        truth = self.truth[:, None]
        iou = self.intersection.double() / (self.predicted + truth - self.intersection)
        return iou.where(truth > 0, torch.nan)

    def best(self) -> tuple[Tensor, Tensor]:
        """Selects the best candidate for each pathology, the first if several are equal.

        Returns:
            Thresholds [P] and their IoU [P], float64. A pathology without truth has threshold
            FALLBACK and IoU NaN.
        """
        iou, choice = self.iou(), torch.tensor(self.thresholds, dtype=torch.float64)
        first = iou.argmax(1)
        best = iou.gather(1, first[:, None])[:, 0]
        return choice[first].where(self.truth > 0, FALLBACK), best
