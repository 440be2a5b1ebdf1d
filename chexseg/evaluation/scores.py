"""Scores of runs: metrics over tables of overlaps, with bootstrap replicates.

The row `mean` of a metric is the mean over the pathologies that have a value. A metric is NaN, not
0, for a pathology without X-rays that count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from chexseg.catalog import load
from chexseg.errors import InputError, Problem
from chexseg.evaluation.intervals import interval, resample
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
        n_images: [M, P] int64: number of X-rays whose denominator is above 0; all X-rays for the
            mean.
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
) -> Scores:
    """Scores a run.

    Args:
        overlaps: from `overlap_table`.
        metrics: names from the catalog; each is computed once.
        replicates: number of resamples of the patients.
        confidence: coverage of the intervals.
        seed: seed of the resamples.
    """
    metrics = tuple(dict.fromkeys(metrics))
    functions = [load("metric", name) for name in metrics]
    patients, patient = np.unique(overlaps["patient"], return_inverse=True)
    column, pathologies = pd.factorize(overlaps["pathology"])
    sums = np.zeros((len(metrics), 2, len(patients), len(pathologies)))
    n_images = np.full((len(metrics), len(pathologies) + 1), overlaps["cxr_id"].nunique())
    for m, function in enumerate(functions):
        terms = function(overlaps)
        for part, term in enumerate(terms):
            np.add.at(sums[m, part], (patient, column), term)
        n_images[m, :-1] = np.bincount(column[terms[1] > 0], minlength=len(pathologies))
    return Scores(
        metrics, (*pathologies, MEAN), _with_mean(sums.sum(2)),
        _with_mean(resample(sums, replicates, seed)), n_images, confidence, len(patients),
        tuple(map(is_lower_better, functions)),
    )  # fmt: skip


def _with_mean(sums: np.ndarray) -> np.ndarray:
    """Divides [M, 2, ..., P] to [M, ..., P + 1]; 0 / 0 gives NaN, which the mean ignores."""
    with np.errstate(invalid="ignore"):
        scores = sums[:, 0] / sums[:, 1]
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
