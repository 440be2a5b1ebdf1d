"""Metrics: each is a function in a file here, with a line in `chexseg.catalog`.

A metric is a ratio of sums over X-rays, so that a resample of patients is a weighting of
per-patient sums. Its function takes the overlaps of a run (a table with the columns
`chexseg.evaluation.overlaps.COLUMNS`) and returns two arrays with one number per row: its
contributions to the numerator and to the denominator. Rows with denominator 0 do not count. A
metric is better if it is higher, unless its function is marked with `lower_is_better`.

A metric in `catalog.OF_PROBABILITIES` is no ratio of overlaps. Its function takes histograms,
[..., 2, K]: numbers of pixels outside the truth (0) and inside it (1) in K ranges of probabilities,
ascending, summed over X-rays; and returns its values [...], NaN where there is nothing to score. The
histograms of a resample of patients are the weighted sum of theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Metric = TypeVar("Metric", bound=Callable)


def lower_is_better(metric: Metric) -> Metric:
    """Marks the function of a metric of which a lower value is better."""
    metric.lower_is_better = True
    return metric


def is_lower_better(metric: Callable) -> bool:
    """Returns whether a lower value of a metric is better."""
    return getattr(metric, "lower_is_better", False)
