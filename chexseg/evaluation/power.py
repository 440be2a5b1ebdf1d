"""Power: which differences a study can find, and how large it must be to find smaller ones.

Everything is computed from the variance that was seen, with the two-sided test of
`chexseg.evaluation.variance`. A difference is found with a power of 80 % if it exceeds the reach of
the interval by the error that an estimate exceeds in 20 % of studies (Bloom, Evaluation Review 19,
1995). With few seeds, the variance is itself known badly, and so are these numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from chexseg.evaluation.comparisons import Difference
from chexseg.evaluation.variance import Variance

POWER = 0.8
TARGETS = (0.01, 0.02)
"""Differences for which the necessary numbers of X-rays and of seeds are given."""

MOST_PATIENTS = 1_000_000
MOST_SEEDS = 1000


def detectable(variance: Variance, confidence: float, power: float = POWER) -> float:
    """Returns the smallest true difference that is found with this power.

    Args:
        variance: of the difference.
        confidence: 1 - alpha.
        power: share of studies that find the difference.
    """
    return variance.reach((1 - confidence) / 2) + variance.reach(1 - power)


def power_row(difference: Difference) -> dict[str, float | str]:
    """Returns the columns of `power.csv` that belong to a difference.

    `images_for_D` is the number of X-rays, with this number of seeds, and `seeds_for_D` the number
    of seeds, with these X-rays, that find a difference of D. They are NaN if no number does,
    because the variance of the other alone forbids it; `seeds_for_D` is NaN for a single seed, from
    which the variance of seeds is unknown.
    """
    variance, confidence = difference.variance, difference.confidence
    images, patients, seeds = difference.n_images, variance.n_patients, variance.n_seeds
    row = {
        "metric": difference.metric,
        "pathology": difference.pathology,
        "n_images": images,
        "n_patients": difference.n_patients,
        "n_seeds": seeds,
        "standard_error": math.sqrt(variance.total),
        "standard_error_patients": math.sqrt(variance.of_patients().total),
        "standard_error_seeds": math.sqrt(variance.of_seeds().total),
        "detectable_difference": detectable(variance, confidence),
    }
    for target in TARGETS:

        def with_patients(number: int, target: float = target) -> bool:
            return detectable(variance.with_numbers(seeds, number), confidence) <= target

        def with_seeds(number: int, target: float = target) -> bool:
            return detectable(variance.with_numbers(number, patients), confidence) <= target

        needed = smallest(with_patients, 2, MOST_PATIENTS)
        row[f"images_for_{target}"] = math.ceil(needed * images / patients) if needed else math.nan
        needed = smallest(with_seeds, 2, MOST_SEEDS) if seeds > 1 else None
        row[f"seeds_for_{target}"] = needed or math.nan
    return row


def smallest(enough: Callable[[int], bool], least: int, most: int) -> int | None:
    """Returns the smallest number that is enough; None if none is.

    The search grows by half until a number is enough, then halves the last step. It does not
    begin with the largest: if few seeds are all that is left of the variance, their quantile is
    larger, so the largest need not be enough where a smaller number is.

    Args:
        enough: whether a number is enough.
        least: smallest number tried.
        most: largest number tried.
    """
    high = least
    while not enough(high):
        if high >= most:
            return None
        least, high = high + 1, min(most, high + 1 + high // 2)
    while least < high:
        middle = (least + high) // 2
        if enough(middle):
            high = middle
        else:
            least = middle + 1
    return high
