"""Variance over patients and over training seeds, both at once.

Runs that differ only in their training seed are scored on the same patients: seeds and patients are
crossed, as readers and cases are in a reader study of radiology. The variance is that of Obuchowski
& Rockette (Communications in Statistics 24, 1995), whose covariances over patients are those of the
bootstrap, on the same resamples for all seeds.

Its quantiles are the mean of two published approximations. Satterthwaite's degrees of freedom, which
Hillis (Statistics in Medicine 26, 2007) uses here, make intervals of 95 % that cover as little as 92 %
with three seeds; the weighted quantiles of Cochran & Cox (Experimental Designs, 1957) cover up to 97 %.
Percentiles of a bootstrap that resamples seeds, too, cover as little as 79 %: with k seeds, it sees
(k - 1) / k of their variance, and takes it for exact. `benchmarks/coverage.py` shows them all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit


@dataclass(frozen=True)
class Variance:
    """Holds the parts of the variance of a mean over seeds.

    Attributes:
        patients: variance over patients that all seeds share, which more seeds do not reduce.
        interaction: variance over patients of a single seed beyond `patients`.
        seeds: sample variance between the seeds on these patients, which includes `interaction`;
            NaN for one seed.
        n_seeds: number of seeds k. A single seed counts as fixed.
        n_patients: number of patients behind `patients`.
    """

    patients: float
    interaction: float
    seeds: float
    n_seeds: int
    n_patients: float

    @property
    def total(self) -> float:
        """Variance of the mean over seeds, for other patients and other seeds."""
        return self.patients + self._of_seeds

    @property
    def _of_seeds(self) -> float:
        return self.seeds / self.n_seeds if self.n_seeds > 1 else 0.0

    def of_patients(self) -> Variance:
        """Returns the variance for other patients, but the same seeds."""
        shared = self.patients + self.interaction / self.n_seeds
        return Variance(shared, 0.0, math.nan, 1, self.n_patients)

    def of_seeds(self) -> Variance:
        """Returns the variance for other seeds, but the same patients; NaN for one seed."""
        patients = 0.0 if self.n_seeds > 1 else math.nan
        return Variance(patients, 0.0, self.seeds, self.n_seeds, math.inf)

    def with_numbers(self, n_seeds: int, n_patients: float) -> Variance:
        """Returns the variance that is expected with other numbers of seeds and patients."""
        share = self.n_patients / n_patients
        between = max(self.seeds - self.interaction, 0.0) if self.n_seeds > 1 else math.nan
        interaction = self.interaction * share
        return Variance(
            self.patients * share, interaction, between + interaction, n_seeds, n_patients
        )

    def interval(self, estimate: float, confidence: float) -> tuple[float, float]:
        """Returns the interval of an estimate with this variance; NaN if the variance is."""
        reach = self.reach((1 - confidence) / 2)
        return estimate - reach, estimate + reach

    def reach(self, tail: float) -> float:
        """Returns the distance from the truth that an estimate exceeds with probability `tail`.

        By chance, a few seeds may differ less than they would by patients alone. So it is never
        less than for the same seeds.
        """
        fixed = self.of_patients()
        own, others = -self.quantile(tail), -fixed.quantile(tail)
        return float(np.maximum(own * math.sqrt(self.total), others * math.sqrt(fixed.total)))

    def quantile(self, probability: float) -> float:
        """Returns a quantile of the error of an estimate, in standard errors."""
        if not self.total > 0:
            return 0.0 if self.total == 0 else math.nan
        share, patients = self._of_seeds / self.total, self.n_patients - 1
        weighted = (1 - share) * stdtrit(patients, probability)
        freedom = (1 - share) ** 2 / patients
        if share:
            weighted += share * stdtrit(self.n_seeds - 1, probability)
            freedom += share**2 / (self.n_seeds - 1)
        satterthwaite = stdtrit(1 / freedom if freedom else math.inf, probability)
        return float(satterthwaite + weighted) / 2

    def p_value(self, estimate: float) -> float:
        """Returns the two-sided p-value of an estimate.

        It is below 1 - confidence if, and only if, `interval` does not contain 0.
        """
        # Solved for the logarithm of the probability of one tail.
        lowest, highest = -math.log(1e100), math.log(0.5)

        def excess(tail: float) -> float:
            return self.reach(math.exp(tail)) - abs(estimate)

        if math.isnan(excess(highest)):
            return math.nan
        if excess(highest) >= 0 or excess(lowest) <= 0:
            return 1.0 if excess(highest) >= 0 else 0.0
        return 2 * math.exp(brentq(excess, lowest, highest))


@dataclass(frozen=True)
class Covariance:
    """Holds the covariance of V means over the same seeds and patients; see `Variance`.

    Attributes:
        patients: [V, V], covariances over patients between different seeds; for one seed, its own.
        within: [V, V], covariances over patients within a seed, averaged over seeds.
        seeds: [V, V], sample covariances between seeds; NaN for one seed.
    """

    patients: np.ndarray
    within: np.ndarray
    seeds: np.ndarray
    n_seeds: int
    n_patients: float

    def total(self) -> np.ndarray:
        """Returns the covariance of the means, [V, V]."""
        return self.patients + (self.seeds / self.n_seeds if self.n_seeds > 1 else 0.0)

    def along(self, *weights: float) -> Variance:
        """Returns the variance of a weighted sum of the V means. Parts below 0 are set to 0."""
        w = np.array(weights)
        patients, within, seeds = (
            float(w @ part @ w) for part in (self.patients, self.within, self.seeds)
        )
        shared = max(patients, 0.0) if patients == patients else math.nan
        return Variance(shared, max(within - shared, 0.0), seeds, self.n_seeds, self.n_patients)


def covariance(values: np.ndarray, replicates: np.ndarray, n_patients: float) -> Covariance:
    """Estimates the covariance of means over seeds.

    Args:
        values: [V, k], V quantities of k seeds.
        replicates: [V, k, R], the same on R resamples of the patients; those that are NaN for any
            quantity or seed are left out. With fewer than two, all is NaN.
        n_patients: number of patients. With fewer than two, all is NaN.
    """
    quantities, k = values.shape
    of_patients = np.full((quantities, k, quantities, k), np.nan)
    flat = replicates.reshape(quantities * k, -1)
    flat = flat[:, np.isfinite(flat).all(0)]
    if flat.shape[1] > 1 and n_patients > 1:
        of_patients = np.cov(flat).reshape(of_patients.shape)
    same = np.einsum("vsws->vw", of_patients)
    patients, seeds = same, np.full_like(same, np.nan)
    if k > 1:
        patients = (of_patients.sum((1, 3)) - same) / (k * (k - 1))
        patients = (patients + patients.T) / 2
        seeds = np.atleast_2d(np.cov(values))
    return Covariance(patients, same / k, seeds, k, n_patients)
