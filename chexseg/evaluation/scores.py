"""Scores of runs, with confidence intervals from a bootstrap over patients.

Everything here is computed from tables of overlaps (`chexseg.evaluation.overlaps`). Two metrics:

- `iou_dataset`: sum of intersections over sum of unions, over all X-rays (CheXseg). NaN where the
  union is empty in every X-ray.
- `iou_image`: mean IoU of the X-rays with a non-empty truth and a non-empty prediction
  (CheXlocalize's default). NaN where there is none. What a run draws where there is nothing, or
  misses altogether, does not enter.

The row `mean` of a metric is the mean over the pathologies that have a value. NaN is never 0.

Both metrics are ratios of sums, so a resample of patients is a weighting of per-patient sums, and
all resamples are one matrix product. They depend on the seed and on the number of patients only:
runs scored on the same X-rays see the same resamples, which makes their differences paired.
CheXlocalize resamples X-rays; X-rays of one patient are no independent observations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

METRICS = ("iou_dataset", "iou_image")
MEAN = "mean"


@dataclass(frozen=True)
class _Sums:
    """Numerators and denominators of all metrics: float64 [metrics, 2, patients, pathologies]."""

    values: np.ndarray
    pathologies: tuple[str, ...]

    def scores(self) -> np.ndarray:
        """Returns [metrics, pathologies + 1], the mean last."""
        return _with_mean(self.values.sum(2))

    def replicates(self, number: int, seed: int) -> np.ndarray:
        """Returns the scores of resamples of the patients: [metrics, number, pathologies + 1]."""
        patients = self.values.shape[2]
        share = np.full(patients, 1 / patients)
        drawn = np.random.default_rng(seed).multinomial(patients, share, size=number)
        return _with_mean(drawn.astype(np.float64) @ self.values)


def _sums(table: pd.DataFrame) -> _Sums:
    """Sums a table of overlaps by patient."""
    intersection, union = table["intersection"].to_numpy(), table["union"].to_numpy()
    both = _counted(table)["iou_image"]
    iou = np.divide(intersection, union, out=np.zeros(len(table)), where=both)
    _, row = np.unique(table["patient"], return_inverse=True)
    column, pathologies = pd.factorize(table["pathology"])
    values = np.zeros((len(METRICS), 2, row.max(initial=-1) + 1, len(pathologies)))
    for metric, terms in enumerate([(intersection, union), (iou, both)]):
        for part, term in enumerate(terms):
            np.add.at(values[metric, part], (row, column), term)
    return _Sums(values, tuple(pathologies))


def _counted(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Returns which rows stand behind each metric."""
    both = (table["truth_pixels"] > 0) & (table["predicted_pixels"] > 0)
    return {"iou_dataset": (table["union"] > 0).to_numpy(), "iou_image": both.to_numpy()}


def _with_mean(sums: np.ndarray) -> np.ndarray:
    """Divides [metrics, 2, ..., P] to [metrics, ..., P + 1]: 0 / 0 is NaN, the mean skips it."""
    with np.errstate(invalid="ignore"):
        scores = sums[:, 0] / sums[:, 1]
        mean = np.nansum(scores, axis=-1) / np.isfinite(scores).sum(axis=-1)
    return np.concatenate([scores, mean[..., None]], axis=-1)


def _interval(replicates: np.ndarray, confidence: float) -> dict[str, float]:
    """Returns the percentile interval of replicates [R], NaN left out; NaN if none is left."""
    valid = replicates[~np.isnan(replicates)]
    bounds = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(valid, bounds) if len(valid) else (np.nan, np.nan)
    return {"ci_low": low, "ci_high": high}


def score_run(
    table: pd.DataFrame, *, replicates: int = 1000, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Scores a run.

    Args:
        table: from `overlap_table`.
        replicates: resamples of the patients.
        confidence: coverage of the intervals.
        seed: of the resamples.

    Returns:
        Columns pathology, metric, value, ci_low, ci_high, n_images; for each metric the
        pathologies in the order of the table, then `mean`. n_images is the number of X-rays
        behind the value: for iou_dataset those with a non-empty union, for iou_image those with
        a non-empty truth and prediction, for the mean all.
    """
    sums = _sums(table)
    scores, resampled = sums.scores(), sums.replicates(replicates, seed)
    counted = _counted(table)
    rows = []
    for m, metric in enumerate(METRICS):
        images = table["pathology"][counted[metric]].value_counts()
        for p, pathology in enumerate((*sums.pathologies, MEAN)):
            rows.append(
                {
                    "pathology": pathology,
                    "metric": metric,
                    "value": scores[m, p],
                    **_interval(resampled[m, :, p], confidence),
                    "n_images": int(images.get(pathology, 0)),
                }
            )
        rows[-1]["n_images"] = table["cxr_id"].nunique()
    return pd.DataFrame(rows)


def difference(
    table: pd.DataFrame,
    against: pd.DataFrame,
    *,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Compares two runs on the same resamples of the patients.

    Args:
        table: overlaps of a run, from `overlap_table`.
        against: overlaps of the other run, of the same X-rays and pathologies.
        replicates: resamples of the patients.
        confidence: coverage of the intervals.
        seed: of the resamples.

    Returns:
        Columns metric, pathology, difference (the run's score minus the other's), ci_low,
        ci_high, and probability_better: the share of resamples in which the difference is above
        0. The rows are those of `score_run`. NaN where either score is; the difference of the
        means is that of the rows `mean`, even if the runs have values for different pathologies.

    Raises:
        ValueError: the tables are not of the same X-rays and pathologies.
    """
    names = ["cxr_id", "patient", "pathology"]
    if not table[names].equals(against[names]):
        raise ValueError("runs of different X-rays or pathologies cannot be compared")
    ours, theirs = _sums(table), _sums(against)
    value = ours.scores() - theirs.scores()
    resampled = ours.replicates(replicates, seed) - theirs.replicates(replicates, seed)
    rows = []
    for m, metric in enumerate(METRICS):
        for p, pathology in enumerate((*ours.pathologies, MEAN)):
            valid = resampled[m, :, p][~np.isnan(resampled[m, :, p])]
            rows.append(
                {
                    "metric": metric,
                    "pathology": pathology,
                    "difference": value[m, p],
                    **_interval(valid, confidence),
                    "probability_better": (valid > 0).mean() if len(valid) else np.nan,
                }
            )
    return pd.DataFrame(rows)


def gap_closed(value: float, weak: float, human: float) -> float:
    """Returns the share of the gap between a weak run and a human that a run closes.

    CheXseg: (0.270 - 0.156) over (human - 0.156) is 57.2 %. NaN where there is no gap: the human
    is no better than the weak run.
    """
    return (value - weak) / (human - weak) if human > weak else np.nan


def false_positives(table: pd.DataFrame) -> pd.DataFrame:
    """Says what a run draws where the truth is empty, which `iou_image` does not see.

    Args:
        table: from `overlap_table`.

    Returns:
        Columns pathology, negatives (X-rays with an empty truth), false_positives (those of them
        with any predicted pixel), share (of the two; NaN without negatives), mean_pixels
        (predicted pixels per negative X-ray; NaN without negatives).
    """
    counts = table[["pathology"]].assign(negatives=table["truth_pixels"] == 0)
    counts["pixels"] = table["predicted_pixels"].where(counts["negatives"], 0)
    counts["false_positives"] = counts["pixels"] > 0
    counts = counts.groupby("pathology", sort=False).sum().reset_index()
    counts["share"] = counts["false_positives"] / counts["negatives"]
    counts["mean_pixels"] = counts["pixels"] / counts["negatives"]
    return counts[["pathology", "negatives", "false_positives", "share", "mean_pixels"]]
