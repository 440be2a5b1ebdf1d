"""Confidence intervals from a bootstrap over patients.

CheXlocalize resamples X-rays. But the X-rays of a patient are not independent observations, so
patients are resampled here, each with all of its X-rays. The resamples depend only on the seed and
the number of patients: runs scored on the same X-rays use the same resamples, so their differences
are paired.
"""

from __future__ import annotations

import numpy as np


def resamples(patients: int, number: int, seed: int) -> np.ndarray:
    """Draws resamples of the patients; a matrix product with sums of patients sums over each.

    Args:
        patients: number of patients.
        number: number of resamples R.
        seed: seed of the resamples.

    Returns:
        [R, patients] float64: how often each patient was drawn.
    """
    share = np.full(patients, 1 / patients)
    drawn = np.random.default_rng(seed).multinomial(patients, share, size=number)
    return drawn.astype(np.float64)


def interval(replicates: np.ndarray, confidence: float) -> dict[str, float]:
    """Returns the percentile interval of replicates [R], ignoring NaN; NaN if all are NaN."""
    valid = replicates[~np.isnan(replicates)]
    bounds = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(valid, bounds) if len(valid) else (np.nan, np.nan)
    return {"ci_low": low, "ci_high": high}
