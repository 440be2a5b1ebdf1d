"""Selects a threshold per pathology: the candidate with the best score on validation.

A pixel is positive if its probability is greater than the threshold, as in CheXseg's code. CheXseg
tries `numpy.arange(0, 1, 0.05)`. Its first candidate, 0, is left out here: every pixel of every
X-ray is above it, and it wins where a model knows so little that painting everything scores best.
If few pathologies have truth in validation, CheXseg's code selects on the training images instead;
here, thresholds are always selected on validation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chexseg.catalog import load
from chexseg.evaluation.histograms import CANDIDATES, count_pixels

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
    histogram = count_pixels(probability, truth, thresholds)
    above = histogram.flip(-1).cumsum(-1).flip(-1)[..., 1:]
    return above[:, :, 1], above.sum(2), histogram[:, :, 1].sum(-1)


class ThresholdSelection:
    """Collects counts of the validation X-rays, and selects thresholds.

    Args:
        pathologies: number of pathologies P.
        metric: name of the metric in the catalog; the candidate with the highest value wins.
        thresholds: K candidates, increasing.
    """

    def __init__(
        self,
        pathologies: int,
        metric: str = "iou_dataset",
        thresholds: Sequence[float] = CANDIDATES,
    ):
        self.metric, self.thresholds = load("metric", metric), tuple(thresholds)
        shape = (0, pathologies, len(self.thresholds))
        self._pixels = 0
        self._intersection = [np.zeros(shape, np.int64)]
        self._predicted = [np.zeros(shape, np.int64)]
        self._truth = [np.zeros(shape, np.int64)]

    def update(self, probability: Tensor, truth: Tensor) -> None:
        """Adds a batch: probability [B, P, H, W] float, truth [B, P, H, W] bool, any device."""
        intersection, predicted, drawn = threshold_counts(probability, truth, self.thresholds)
        self._intersection.append(intersection.cpu().numpy())
        self._predicted.append(predicted.cpu().numpy())
        self._pixels = probability.shape[-2] * probability.shape[-1]
        drawn = drawn[..., None].expand(intersection.shape)
        self._truth.append(drawn.cpu().numpy())

    def scores(self) -> Tensor:
        """Returns the metric at each threshold: [P, K] float64.

        It is NaN for a pathology without truth, and where no X-ray counts: `iou_image` counts none
        if nothing is predicted.
        """
        parts = (self._intersection, self._predicted, self._truth)
        intersection, predicted, truth = (np.concatenate(part) for part in parts)
        counts = {
            "intersection": intersection,
            "union": predicted + truth - intersection,
            "truth_pixels": truth,
            "predicted_pixels": predicted,
            "pixels": np.full_like(truth, self._pixels),
        }
        table = pd.DataFrame({name: count.ravel() for name, count in counts.items()})
        terms = (np.asarray(term, np.float64) for term in self.metric(table))
        numerator, denominator = (term.reshape(truth.shape).sum(0) for term in terms)
        counts_somewhere = (denominator > 0) & (truth.sum(0) > 0)
        score = np.full(denominator.shape, np.nan)
        np.divide(numerator, denominator, out=score, where=counts_somewhere)
        return torch.from_numpy(score)

    def best(self) -> tuple[Tensor, Tensor]:
        """Selects the best candidate for each pathology, the first if several are equal.

        Returns:
            Thresholds [P] and their scores [P], float64. A pathology without a score at any
            threshold has threshold FALLBACK and score NaN.
        """
        scores, choice = self.scores(), torch.tensor(self.thresholds, dtype=torch.float64)
        first = scores.nan_to_num(nan=-torch.inf).argmax(1)
        best = scores.gather(1, first[:, None])[:, 0]
        return choice[first].where(~best.isnan(), FALLBACK), best
