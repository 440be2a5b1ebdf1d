"""Scores of runs: metrics over overlaps or histograms, with bootstrap replicates.

The row `mean` of a metric is the mean over the pathologies that have a value. A metric is NaN, not
0, for a pathology without X-rays that count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from chexseg.catalog import OF_PROBABILITIES, load
from chexseg.errors import InputError, Problem
from chexseg.evaluation.intervals import interval, resamples
from chexseg.evaluation.metrics import is_lower_better
from chexseg.files.atomic import atomic

MEAN = "mean"


@dataclass(frozen=True)
class Scores:
    """Holds the scores of a run and their bootstrap replicates, which give the intervals.

    Attributes:
        metrics: M names.
        pathologies: P names, of which the last is MEAN.
        values: [M, P] float64, NaN if there is nothing to score.
        replicates: [M, R, P] float64: the values on each of R resamples of the patients. Runs
            scored on the same X-rays with the same seed have the same resamples.
        n_images: [M, P] int64: number of X-rays whose denominator is above 0; of metrics of
            probabilities, all X-rays, or 0 without a value; all X-rays for the mean.
        confidence: coverage of the intervals.
        n_patients: number of patients.
        lower_is_better: whether a lower value is better, for each metric.
    """

    metrics: tuple[str, ...]
    pathologies: tuple[str, ...]
    values: np.ndarray
    replicates: np.ndarray
    n_images: np.ndarray
    confidence: float
    n_patients: int
    lower_is_better: tuple[bool, ...]

    def table(self) -> pd.DataFrame:
        """Returns a row per score: pathology, metric, value, ci_low, ci_high, n_images."""
        rows = [
            {
                "pathology": pathology,
                "metric": metric,
                "value": self.values[m, p],
                **interval(self.replicates[m, :, p], self.confidence),
                "n_images": self.n_images[m, p],
            }
            for m, metric in enumerate(self.metrics)
            for p, pathology in enumerate(self.pathologies)
        ]
        return pd.DataFrame(rows)


def score(
    overlaps: pd.DataFrame,
    *,
    metrics: Sequence[str],
    replicates: int,
    confidence: float,
    seed: int,
    histograms: Mapping[str, np.ndarray] | None = None,
) -> Scores:
    """Scores a run.

    Args:
        overlaps: from `overlap_table`.
        metrics: names from the catalog; each is computed once.
        replicates: number of resamples of the patients.
        confidence: coverage of the intervals.
        seed: seed of the resamples.
        histograms: cxr_id -> histograms of the X-ray [P, 2, K], with the P pathologies of
            `overlaps`; see `chexseg.evaluation.histograms`. None: the probabilities of the run are
            unknown, so that metrics of `OF_PROBABILITIES` are NaN.
    """
    metrics = tuple(dict.fromkeys(metrics))
    functions = [load("metric", name) for name in metrics]
    patients, patient = np.unique(overlaps["patient"], return_inverse=True)
    pathologies, n_all = tuple(overlaps["pathology"].unique()), overlaps["cxr_id"].nunique()
    weights = resamples(len(patients), replicates, seed)
    sums = None
    if histograms is not None and not set(metrics).isdisjoint(OF_PROBABILITIES):
        sums = _histograms_of_patients(overlaps, histograms, patient, len(patients))
    shape = len(metrics), len(pathologies)
    values, n_images = np.full(shape, np.nan), np.zeros(shape, np.int64)
    resampled = np.full((shape[0], replicates, shape[1]), np.nan)
    for m, (name, function) in enumerate(zip(metrics, functions, strict=True)):
        if name not in OF_PROBABILITIES:
            terms, n_images[m] = _terms_of_patients(overlaps, function, patient, len(patients))
            values[m], resampled[m] = _ratio(terms.sum(1)), _ratio(weights @ terms)
        elif sums is not None:
            values[m] = function(sums.sum(0))
            for p in range(len(pathologies)):  # one at a time, to need less memory
                resampled[m, :, p] = function(np.tensordot(weights, sums[:, p], 1))
            n_images[m] = np.where(np.isnan(values[m]), 0, n_all)
    of_mean = np.full((len(metrics), 1), n_all)
    return Scores(
        metrics, (*pathologies, MEAN), _with_mean(values), _with_mean(resampled),
        np.concatenate([n_images, of_mean], axis=1), confidence, len(patients),
        tuple(map(is_lower_better, functions)),
    )  # fmt: skip


def _terms_of_patients(
    overlaps: pd.DataFrame, metric: Callable, patient: np.ndarray, n_patients: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the terms of a metric, summed over the X-rays of each patient.

    Args:
        overlaps: from `overlap_table`.
        metric: of overlaps.
        patient: number of the patient of each row.
        n_patients: number of patients.

    Returns:
        Numerators and denominators [2, patients, P] float64; numbers of X-rays that count [P].
    """
    column, pathologies = pd.factorize(overlaps["pathology"])
    sums = np.zeros((2, n_patients, len(pathologies)))
    terms = metric(overlaps)
    for part, term in enumerate(terms):
        np.add.at(sums[part], (patient, column), term)
    return sums, np.bincount(column[terms[1] > 0], minlength=len(pathologies))


def _histograms_of_patients(
    overlaps: pd.DataFrame,
    histograms: Mapping[str, np.ndarray],
    patient: np.ndarray,
    n_patients: int,
) -> np.ndarray:
    """Returns histograms, summed over the X-rays of each patient: [patients, P, 2, K] float64."""
    numbers = dict(zip(overlaps["cxr_id"], patient, strict=True))
    sums = np.zeros((n_patients, *histograms[next(iter(numbers))].shape))
    for cxr_id, number in numbers.items():
        sums[number] += histograms[cxr_id]
    return sums


def _ratio(sums: np.ndarray) -> np.ndarray:
    """Divides numerators by denominators, [2, ...] to [...]; 0 / 0 gives NaN."""
    with np.errstate(invalid="ignore"):
        return sums[0] / sums[1]


def _with_mean(scores: np.ndarray) -> np.ndarray:
    """Adds the mean of the scores that are not NaN: [..., P] to [..., P + 1]."""
    with np.errstate(invalid="ignore"):
        mean = np.nansum(scores, axis=-1) / np.isfinite(scores).sum(axis=-1)
    return np.concatenate([scores, mean[..., None]], axis=-1)


def write_scores(path: Path, runs: Mapping[str, Scores]) -> None:
    """Writes the scores of runs of the same X-rays; equal scores give equal bytes.

    The file is numpy's `.npz`: `run` [N], `metric` [M], `pathology` [P], `value` [N, M, P],
    `replicate` [N, M, R, P], `n_images` [N, M, P], `confidence`, `n_patients` and
    `lower_is_better` [M].
    """
    first = next(iter(runs.values()))
    arrays = {
        "run": [*runs],
        "metric": first.metrics,
        "pathology": first.pathologies,
        "value": [scores.values for scores in runs.values()],
        "replicate": [scores.replicates for scores in runs.values()],
        "n_images": [scores.n_images for scores in runs.values()],
        "confidence": first.confidence,
        "n_patients": first.n_patients,
        "lower_is_better": first.lower_is_better,
    }
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **{name: np.asarray(array) for name, array in arrays.items()})


def read_scores(path: Path) -> dict[str, Scores]:
    """Reads a file written by `write_scores`.

    Raises:
        InputError: the file is missing, damaged, or not a file of scores.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        names = tuple(tuple(arrays[key].tolist()) for key in ("metric", "pathology"))
        shared = (
            arrays["confidence"].item(), arrays["n_patients"].item(),
            tuple(arrays["lower_is_better"].tolist()),
        )  # fmt: skip
        parts = (arrays["run"].tolist(), arrays["value"], arrays["replicate"], arrays["n_images"])
        return {
            run: Scores(*names, values, replicates, n_images, *shared)
            for run, values, replicates, n_images in zip(*parts, strict=True)
        }
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        remedy = "Create the file with `chexseg score-runs`."
        found = f"unreadable ({error})"
        raise InputError([Problem(str(path), found, "scores of runs", remedy)]) from error
