"""Average precision of pixels over the data set: the area under precision and recall."""

from __future__ import annotations

import numpy as np


def average_precision(histograms: np.ndarray) -> np.ndarray:
    """Returns the mean of the precision over the pixels of the truth, by falling probability.

    Precision is that of all pixels whose probability is at least as high, so no threshold is chosen,
    and a run is not helped by being more confident: only the order of pixels counts. It is
    scikit-learn's `average_precision_score` of all pixels of the data set, where pixels in the same
    range of probabilities are tied.

    Args:
        histograms: [..., 2, K], see `chexseg.evaluation.metrics`.

    Returns:
        [...]; NaN without truth. A run that ranks pixels at random has the share of the truth.
    """
    outside, inside = np.flip(np.moveaxis(histograms, -2, 0), -1)
    found, drawn = inside.cumsum(-1), (inside + outside).cumsum(-1)
    precision = np.divide(found, drawn, where=drawn > 0, out=np.zeros(found.shape))
    truth = found[..., -1]
    total = (inside * precision).sum(-1)
    return np.divide(total, truth, where=truth > 0, out=np.full(truth.shape, np.nan))
