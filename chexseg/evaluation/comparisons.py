"""Paired differences between runs, on the same resamples of patients."""

from __future__ import annotations

import numpy as np
import pandas as pd

from chexseg.evaluation.intervals import interval
from chexseg.evaluation.scores import Scores


def difference(run: Scores, against: Scores) -> pd.DataFrame:
    """Compares two runs that were scored on the same X-rays with the same seed.

    Returns:
        Columns metric, pathology, difference (`run` minus `against`), ci_low, ci_high, and
        probability_better, the share of resamples with a difference above 0. A row is NaN if
        either score is NaN. The difference of the rows `mean` is taken even if the runs have
        values for different pathologies.

    Raises:
        ValueError: the runs differ in metrics, pathologies or number of resamples.
    """
    names = [(scores.metrics, scores.pathologies) for scores in (run, against)]
    if names[0] != names[1] or run.replicates.shape != against.replicates.shape:
        raise ValueError("cannot compare runs that were scored differently")
    values = run.values - against.values
    replicates = run.replicates - against.replicates
    rows = []
    for m, metric in enumerate(run.metrics):
        for p, pathology in enumerate(run.pathologies):
            valid = replicates[m, :, p][~np.isnan(replicates[m, :, p])]
            rows.append(
                {
                    "metric": metric,
                    "pathology": pathology,
                    "difference": values[m, p],
                    **interval(valid, run.confidence),
                    "probability_better": (valid > 0).mean() if len(valid) else np.nan,
                }
            )
    return pd.DataFrame(rows)


def gap_closed(run: Scores, against: Scores, human: Scores) -> np.ndarray:
    """Returns the share of the gap between `against` and `human` that `run` closes: [M, P].

    In CheXseg, (0.270 - 0.156) / (human - 0.156) is 57.2 %. The share is NaN if there is no gap,
    because the human is not better than `against`.
    """
    gap = human.values - against.values
    closed = np.full(gap.shape, np.nan)
    return np.divide(run.values - against.values, gap, out=closed, where=gap > 0)
