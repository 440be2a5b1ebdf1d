"""AUROC of classifiers with uncertain and blank labels."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def auroc_of_each(probability: Tensor, labels: Tensor) -> np.ndarray:
    """Returns the AUROC of each finding.

    Args:
        probability: [N, F].
        labels: [N, F]; only 1 and 0 count, not -1 (uncertain) or NaN (blank).

    Returns:
        float64 [F]; NaN for a finding that lacks positive or negative labels.
    """
    # torchmetrics takes seconds to import, so only this function does.
    from torchmetrics.functional.classification import binary_auroc

    values = np.full(labels.shape[1], np.nan)
    for column in range(labels.shape[1]):
        truth = labels[:, column]
        known = (truth == 0) | (truth == 1)
        if truth[known].unique().numel() == 2:
            values[column] = float(binary_auroc(probability[known, column], truth[known].long()))
    return values


def mean_of_known(values: np.ndarray) -> float:
    """Returns the mean of the values that are not NaN; NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
