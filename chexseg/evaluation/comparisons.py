"""Averages over training seeds, and differences between runs, paired by patients and by seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from chexseg.evaluation.scores import MEAN, Scores
from chexseg.evaluation.variance import Covariance, Variance, covariance


@dataclass(frozen=True)
class Average:
    """Holds the mean over seeds of a score, or of a difference, in a metric and a pathology.

    Attributes:
        metric: name of the metric.
        pathology: name of the pathology, or MEAN.
        value: mean over seeds; NaN if a score of a run is NaN.
        variance: over patients and seeds.
        confidence: coverage of the intervals.
        lower_is_better: whether a lower score is better.
        n_images: the lowest number of X-rays behind a score of any of the runs.
        n_patients: number of patients of the test set.
        n_pathologies: number of pathologies in `value`.
        n_left_out: number of pathologies left out of a mean, since a score of a run is NaN.
    """

    LOWEST: ClassVar[float] = 0.0
    """No score is lower, so no interval reaches below."""

    metric: str
    pathology: str
    value: float
    variance: Variance
    confidence: float
    lower_is_better: bool
    n_images: int
    n_patients: int
    n_pathologies: int
    n_left_out: int

    def row(self, name: str = "value") -> dict[str, float | str]:
        """Returns the columns of a table that tell the mean, called `name`, and its intervals."""
        alone = {"patients": self.variance.of_patients(), "seeds": self.variance.of_seeds()}
        row = {"metric": self.metric, "pathology": self.pathology, name: self.value}
        for over, variance in ({"ci": self.variance} | alone).items():
            low, high = variance.interval(self.value, self.confidence)
            row |= {f"{over}_low": max(low, self.LOWEST), f"{over}_high": high}
        return row | {
            "n_images": self.n_images,
            "n_patients": self.n_patients,
            "n_seeds": self.variance.n_seeds,
            "n_pathologies": self.n_pathologies,
            "n_left_out": self.n_left_out,
        }


@dataclass(frozen=True)
class Difference(Average):
    """Holds the difference of two runs, or of two groups of seeds, in a metric and a pathology."""

    LOWEST: ClassVar[float] = -math.inf

    def row(self, name: str = "difference") -> dict[str, float | str]:
        """Returns the columns of `comparisons.csv` that tell the difference."""
        p_value = self.variance.p_value(self.value)
        better = (self.value < 0) if self.lower_is_better else (self.value > 0)
        return super().row(name) | {
            "probability_better": 1 - p_value / 2 if better else p_value / 2,
            "p_value": p_value,
        }


@dataclass(frozen=True)
class _Pooled:
    """V quantities in a pathology or in the mean: values [V, k], covariance, pathologies counted."""

    metric: int
    pathology: int
    values: np.ndarray
    covariance: Covariance
    n_images: int
    n_pathologies: int
    n_left_out: int


def differences(run: Sequence[Scores], against: Sequence[Scores]) -> list[Difference]:
    """Compares two runs, or two groups of runs that differ in their training seeds.

    Args:
        run: the scores of a run, or of the k seeds of a run. All were scored on the same X-rays
            with the same resamples.
        against: k others, paired with those of `run` by position, or one, which counts as fixed,
            as the human benchmark is.

    Returns:
        One for each metric and pathology, and the mean over pathologies. The mean is taken over
        the pathologies for which every run has a score: like is compared with like.

    Raises:
        ValueError: the runs differ in metrics, pathologies or resamples, or cannot be paired.
    """
    return _averaged(Difference, run, against)


def averages(runs: Sequence[Scores]) -> list[Average]:
    """Averages the scores of runs that differ in their training seeds.

    Args:
        runs: the scores of a run, or of the k seeds of a run, scored on the same X-rays with the
            same resamples. A single run counts as fixed, as the human benchmark does.

    Returns:
        One for each metric and pathology, and the mean over the pathologies for which every run
        has a score.

    Raises:
        ValueError: the runs differ in metrics, pathologies or resamples.
    """
    return _averaged(Average, runs, ())


def _averaged(
    kind: type[Average], run: Sequence[Scores], against: Sequence[Scores]
) -> list[Average]:
    """Returns the means over seeds of differences; of scores if there is nothing to subtract."""
    first = run[0]
    return [
        kind(
            first.metrics[part.metric], first.pathologies[part.pathology],
            float(part.values.mean()), part.covariance.along(1.0), first.confidence,
            first.lower_is_better[part.metric], part.n_images, first.n_patients,
            part.n_pathologies, part.n_left_out,
        )
        for part in _pooled((run, against))
    ]  # fmt: skip


def gaps_closed(
    run: Sequence[Scores], against: Sequence[Scores], human: Scores
) -> list[tuple[float, float, float]]:
    """Returns which share of the gap between `against` and `human` `run` closes, with an interval.

    In CheXseg, (0.270 - 0.156) / (human - 0.156) is 57.2 %. The share is NaN if there is no gap,
    because the human is not better than `against`. The interval is Fieller's (1954), with the
    variance over patients and seeds; it is NaN if the gap itself may be 0, since then no share can
    be excluded.

    Returns:
        (share, low, high), in the order of `differences`.
    """
    shares = []
    for part in _pooled((run, against), ([human], against)):
        gained, gap = part.values.mean(1)
        sign = -1 if human.lower_is_better[part.metric] else 1
        if not gap * sign > 0:
            shares.append((math.nan, math.nan, math.nan))
            continue
        share = float(gained / gap)
        variance = part.covariance.along(1.0, -share)
        reach = variance.reach((1 - human.confidence) / 2)
        quantile = reach / math.sqrt(variance.total) if variance.total else 0.0
        shares.append((share, *_fieller(gained, gap, part.covariance.total(), quantile)))
    return shares


def _fieller(
    numerator: float, denominator: float, covariance: np.ndarray, quantile: float
) -> tuple[float, float]:
    """Returns the bounds of a ratio of two estimates; NaN if the denominator may be 0."""
    a = denominator**2 - quantile**2 * covariance[1, 1]
    b = numerator * denominator - quantile**2 * covariance[0, 1]
    c = numerator**2 - quantile**2 * covariance[0, 0]
    if not a > 0:
        return math.nan, math.nan
    root = math.sqrt(max(b**2 - a * c, 0.0))
    return (b - root) / a, (b + root) / a


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjusts p-values for their number (Holm, 1979); NaN stays NaN and does not count."""
    # statsmodels takes seconds to import, so only this function does.
    from statsmodels.stats.multitest import multipletests

    adjusted = np.array(p_values, dtype=float)
    known = ~np.isnan(adjusted)
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="holm")[1]
    return adjusted


def holm_of_means(compared: pd.DataFrame) -> pd.Series:
    """Returns the adjusted p-values of a table of contrasts.

    The family is all contrasts of a study in one metric, each by its mean over pathologies; other
    rows are NaN.
    """
    adjusted = pd.Series(np.nan, index=compared.index)
    for _, rows in compared[compared["pathology"] == MEAN].groupby("metric"):
        adjusted[rows.index] = holm(rows["p_value"])
    return adjusted


def _pooled(*pairs: tuple[Sequence[Scores], Sequence[Scores]]) -> Iterator[_Pooled]:
    """Yields the differences of V pairs for each metric and pathology, and for the mean."""
    runs = [scores for pair in pairs for side in pair for scores in side]
    first = runs[0]
    if any(
        (scores.metrics, scores.pathologies, scores.replicates.shape)
        != (first.metrics, first.pathologies, first.replicates.shape)
        for scores in runs
    ):
        raise ValueError("cannot compare runs that were scored differently")
    mean = len(first.pathologies) - 1
    n_images = np.min([scores.n_images for scores in runs], axis=0)
    for m, p in np.ndindex(n_images.shape):
        values = _differences(pairs, "values", m)[:, :, None]
        known = np.isfinite(values[..., :mean]).all((0, 1, 2))
        chosen = np.flatnonzero(known) if p == mean else np.array([p])
        means = _mean_of_known(values[..., chosen])[..., 0]
        replicates = _mean_of_known(_differences(pairs, "replicates", m)[..., chosen])
        images, counted = int(n_images[m, p]), known if p == mean else known[[p]]
        n_patients = max(1, min(images, first.n_patients))
        yield _Pooled(
            m, p, means, covariance(means, replicates, n_patients), images,
            int(counted.sum()), int((~counted).sum()),
        )  # fmt: skip


def _differences(
    pairs: Sequence[tuple[Sequence[Scores], Sequence[Scores]]], attribute: str, metric: int
) -> np.ndarray:
    """Returns the differences of V pairs of k runs, [V, k, ...]; a single run is repeated.

    Nothing is subtracted from a side whose other side is empty.
    """
    found = []
    for sides in pairs:
        run, against = (
            np.stack([getattr(scores, attribute)[metric] for scores in side] or [np.float64(0)])
            for side in sides
        )
        if len(run) != len(against) and 1 not in (len(run), len(against)):
            raise ValueError(f"cannot pair {len(run)} runs with {len(against)}")
        found.append(run - against)
    return np.stack(np.broadcast_arrays(*found))


def _mean_of_known(scores: np.ndarray) -> np.ndarray:
    """Averages [V, k, R, P] over the pathologies that are known for all V quantities of k runs.

    Returns:
        [V, k, R]; NaN where no pathology is.
    """
    known = np.isfinite(scores).all((0, 1))
    with np.errstate(invalid="ignore"):
        return np.where(known, scores, 0).sum(-1) / known.sum(-1)
