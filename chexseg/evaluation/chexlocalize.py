"""The tables of CheXlocalize's evaluation: per X-ray, bootstrap, summary, percentage decrease.

Names, columns and values are those of its `eval.py` and `calculate_percentage_decrease.py` (Saporta et
al., 2022), so that tables of both can be laid side by side. It resamples X-rays, not patients.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chexseg.evaluation.metrics.hit_rate import hit_rate
from chexseg.evaluation.metrics.iou_image import iou_image
from chexseg.evaluation.metrics.iou_image_all import iou_image_all
from chexseg.files.atomic import atomic

CONFIDENCE = 0.05
"""One minus the coverage of the intervals."""


def results_per_x_ray(
    overlaps: pd.DataFrame,
    metric: str,
    *,
    true_pos_only: bool = True,
    without_is_miss: bool = False,
) -> pd.DataFrame:
    """Returns the result of each X-ray and pathology, NaN where there is none.

    Args:
        overlaps: from `chexseg.evaluation.overlaps.overlap_table`.
        metric: "iou", or "hitmiss": whether prediction and truth share a pixel.
        true_pos_only: whether `iou` counts only X-rays with a mask in truth and prediction; otherwise,
            those with a mask in either. `hitmiss` counts X-rays with a mask in the truth.
        without_is_miss: whether an X-ray without a prediction is a miss, as it is for people's points;
            without a heat map, it does not count.

    Returns:
        A row for each X-ray, by its id; a column for each pathology, by its name, and `img_id`.
    """
    if metric == "hitmiss":
        values, counts = hit_rate(overlaps)
        counts = counts & (without_is_miss | (overlaps["predicted_pixels"] > 0).to_numpy())
    else:
        values, counts = (iou_image if true_pos_only else iou_image_all)(overlaps)
    table = overlaps.assign(value=np.where(counts, values, np.nan))
    table = table.pivot(index="cxr_id", columns="pathology", values="value").sort_index()
    table = table[sorted(table.columns)]
    return table.assign(img_id=table.index).reset_index(drop=True).rename_axis(columns=None)


def bootstrap(
    results: pd.DataFrame, pathologies: Sequence[str], *, replicates: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Returns the means of the results of resampled X-rays: a row for each resample.

    Args:
        results: from `results_per_x_ray`.
        pathologies: the columns, in order.
        replicates: number of resamples.
        seed: of numpy's older generator, as CheXlocalize's `--seed`.
    """
    values = results[list(pathologies)].to_numpy(float)
    generator = np.random.RandomState(seed)
    means = np.empty((replicates, len(pathologies)))
    with warnings.catch_warnings():  # the mean of nothing is NaN
        warnings.simplefilter("ignore", RuntimeWarning)
        for row in means:
            row[:] = np.nanmean(values[generator.choice(len(values), len(values))], axis=0)
    return pd.DataFrame(means, columns=list(pathologies))


def summarise(replicates: pd.DataFrame) -> pd.DataFrame:
    """Returns the interval and the mean of the resamples of each pathology, by its name.

    Returns:
        Columns name, lower, mean and upper, rounded to three digits.
    """
    rows = [{"name": name, **_interval(replicates[name])} for name in replicates]
    return pd.DataFrame(rows).sort_values("name", ignore_index=True)


def percentage_decrease(human: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """Returns how much lower predictions score than the human benchmark, in percent of the latter.

    Args:
        human: resamples of the human benchmark, from `bootstrap`.
        predicted: resamples of the predictions, of the same X-rays and seed.

    Returns:
        A row for each pathology, by falling decrease, and the row Average; columns hb, pred,
        pct_diff, pct_diff_lower and pct_diff_upper.
    """
    decrease = (human - predicted) / human
    table = pd.DataFrame({"hb": human.mean(), "pred": predicted.mean()})
    table["pct_diff"] = ((table["hb"] - table["pred"]) / table["hb"] * 100).round(3)
    intervals = [_interval(decrease[name]) for name in decrease]
    for side in ("lower", "upper"):
        table[f"pct_diff_{side}"] = [round(100 * each[side], 3) for each in intervals]
    table = table.sort_values("pct_diff", ascending=False)
    of_human, of_predicted = human.mean(axis=1), predicted.mean(axis=1)
    interval = _interval(100 * (of_human - of_predicted) / of_human)
    means = [round(table[column].mean(), 3) for column in ("hb", "pred")]
    average = round((means[0] - means[1]) / means[0] * 100, 3)
    table.loc["Average"] = [*means, average, interval["lower"], interval["upper"]]
    return table


def _interval(replicates: pd.Series) -> dict[str, float]:
    """Returns lower bound, mean and upper bound of resamples, rounded to three digits.

    The bounds are those of CheXlocalize, elements of the sorted resamples.
    """
    ordered = replicates.sort_values().to_numpy()
    lower, upper = (int(share * len(ordered)) - 1 for share in (CONFIDENCE / 2, 1 - CONFIDENCE / 2))
    return {
        "lower": ordered[max(lower, 0)].round(3),
        "mean": round(replicates.mean(), 3),
        "upper": ordered[max(upper, 0)].round(3),
    }


def write_tables(
    folder: Path, metric: str, results: pd.DataFrame, replicates: pd.DataFrame, *, human: bool
) -> None:
    """Writes the tables of a metric under CheXlocalize's names.

    Args:
        folder: where.
        metric: "iou" or "hitmiss".
        results: from `results_per_x_ray`.
        replicates: from `bootstrap`.
        human: whether they are of the human benchmark.
    """
    stem = f"{metric}_humanbenchmark_" if human else f"{metric}_"
    tables = {
        "results_per_cxr": results,
        "bootstrap_results_per_cxr": replicates,
        "summary_results": summarise(replicates),
    }
    for name, table in tables.items():
        write_table(folder / f"{stem}{name}.csv", table, index=False)


def write_table(path: Path, table: pd.DataFrame, *, index: bool) -> None:
    """Writes a table as CSV; `index` tells whether the names of its rows are written, too."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=index, lineterminator="\n")
