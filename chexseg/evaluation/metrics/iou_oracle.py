"""IoU over the data set at the threshold that is best on the scored X-rays themselves."""

from __future__ import annotations

import numpy as np


def iou_oracle(histograms: np.ndarray) -> np.ndarray:
    """Returns the highest `iou_dataset` that one threshold for all X-rays reaches.

    The threshold is chosen with the truth of the X-rays that are scored, which nobody has in use: it
    is an upper bound, and no result. What a run has more of it than of `iou_dataset` is lost by its
    thresholds, not by where it looks. Each resample of the patients has its own threshold, as the
    test set has.

    Args:
        histograms: [..., 2, K], see `chexseg.evaluation.metrics`.

    Returns:
        [...]; NaN without truth. The lowest threshold, above which every pixel is, is no candidate.
    """
    outside, inside = np.moveaxis(histograms, -2, 0)
    # Element k of a sum is over the ranges behind k: what is drawn at the threshold between.
    drawn_outside, intersection = (
        np.flip(np.flip(counts, -1).cumsum(-1), -1)[..., 1:] for counts in (outside, inside)
    )
    truth = inside.sum(-1, keepdims=True)
    nothing = np.full(intersection.shape, np.nan)
    return np.divide(intersection, truth + drawn_outside, where=truth > 0, out=nothing).max(-1)
