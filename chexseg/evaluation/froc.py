"""FROC curves, and sensitivities at a rate of false positives, with bootstrap replicates.

FROC (free-response receiver operating characteristic: Bunch et al., 1978; as in LUNA16) is the
sensitivity for lesions over the mean number of false positives in an X-ray, for all thresholds of the
score. The sensitivity at a rate is the highest that any threshold reaches without exceeding it; nothing
is interpolated. The same function gives the sensitivity for X-rays at a specificity.

A weight says how often a patient is in a resample (see `chexseg.evaluation.intervals`). Weights are
[R, ...], and all values are computed for R resamples at once.
"""

from __future__ import annotations

import numpy as np

RATES = (0.25, 0.5, 1.0, 2.0)
"""False positives in an X-ray at which the sensitivity is given."""

CHUNK = 2**24
"""Number of weights that are summed at a time."""


def froc_curve(
    found: np.ndarray, false: np.ndarray, n_images: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the points of an FROC curve, from the highest threshold down.

    Args:
        found: scores of the boxes of the truth, [T]; minus infinity for missed ones.
        false: scores of the false positives, [F].
        n_images: number of X-rays, of which there is at least one.

    Returns:
        Thresholds [K], false positives in an X-ray [K] and sensitivities [K]; the sensitivity is NaN
        without truth. The first point is (infinity, 0, 0).
    """
    weights = np.ones((1, len(found))), np.ones((1, len(false)))
    thresholds, true, wrong = _cumulated(found, weights[0], false, weights[1])
    return thresholds, wrong[0] / n_images, true[0] / (len(found) or np.nan)


def sensitivity_at(
    found: np.ndarray,
    found_weight: np.ndarray,
    false: np.ndarray,
    false_weight: np.ndarray,
    most: np.ndarray,
) -> np.ndarray:
    """Returns the highest share of the truth found while false positives stay within limits.

    Args:
        found: scores of the truth, [T]; minus infinity for what is missed at any threshold.
        found_weight: [R, T].
        false: scores of the false positives, [F].
        false_weight: [R, F].
        most: [R, K], the largest weight of false positives that is allowed.

    Returns:
        [R, K]; NaN where the truth has no weight.
    """
    values = np.empty(most.shape)
    rows = max(1, CHUNK // (len(found) + len(false) + 1))
    for start in range(0, len(most), rows):
        part = slice(start, start + rows)
        _, true, wrong = _cumulated(found, found_weight[part], false, false_weight[part])
        # False positives only increase, so the last point within the limit has the most truth. The
        # first has none, and is always within it.
        last = [
            np.searchsorted(each, limit, side="right") - 1
            for each, limit in zip(wrong, most[part], strict=True)
        ]
        total = found_weight[part].sum(1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            values[part] = np.take_along_axis(true, np.array(last), axis=1) / total
    return values


def _cumulated(
    found: np.ndarray, found_weight: np.ndarray, false: np.ndarray, false_weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns thresholds [K], and weights of truth and of false positives at or above each, [R, K].

    Equal scores share a threshold. The first threshold is infinity, where there is nothing.
    """
    scores = np.concatenate([found, false])
    kept = np.flatnonzero(scores > -np.inf)
    order = kept[np.argsort(-scores[kept], kind="stable")]
    thresholds = scores[order]
    last = np.flatnonzero(np.append(thresholds[1:] < thresholds[:-1], [True] * bool(len(order))))
    no_truth, nothing_false = np.zeros_like(found_weight), np.zeros_like(false_weight)
    sums = [
        np.concatenate(parts, axis=1)[:, order].cumsum(axis=1)[:, last]
        for parts in ((found_weight, nothing_false), (no_truth, false_weight))
    ]
    start = np.zeros((len(found_weight), 1))
    true, wrong = (np.concatenate([start, each], axis=1) for each in sums)
    return np.append(np.inf, thresholds[last]), true, wrong


def weighted_auroc(
    positive: np.ndarray,
    positive_weight: np.ndarray,
    negative: np.ndarray,
    negative_weight: np.ndarray,
) -> np.ndarray:
    """Returns the AUROC of each resample, of which ties count one half: the Mann-Whitney statistic.

    Args:
        positive: scores of the X-rays that show something, [P].
        positive_weight: [R, P].
        negative: scores of the others, [N].
        negative_weight: [R, N].

    Returns:
        [R]; NaN where either has no weight.
    """
    order = np.argsort(negative, kind="stable")
    running = negative_weight[:, order].cumsum(axis=1)
    below = np.concatenate([np.zeros((len(running), 1)), running], axis=1)
    less, least = (
        np.searchsorted(negative[order], positive, side=side) for side in ("left", "right")
    )
    wins = (positive_weight * (below[:, less] + below[:, least])).sum(1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return wins / (positive_weight.sum(1) * below[:, -1])
