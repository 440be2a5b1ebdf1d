"""The points of a sweep, and the scores of all seeds of a run: what figures of sweeps show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from chexseg.config.contrasts import SEPARATOR
from chexseg.evaluation.scores import MEAN
from chexseg.report.figure import Inputs, Published
from chexseg.report.pictures import read_table


@dataclass(frozen=True)
class Point:
    """A combination of values of a sweep's factors: a run, or the seeds of a run.

    Attributes:
        levels: factor -> the text of its value.
        scores: metric -> its row of `averages.csv`, of the mean over pathologies.
        seeds: metric -> the score of each seed.
        published: published scores of its runs.
    """

    levels: Mapping[str, str]
    scores: Mapping[str, pd.Series]
    seeds: Mapping[str, list[float]]
    published: tuple[Published, ...] = ()


def points_of(inputs: Inputs) -> list[Point]:
    """Returns the points of the sweep that a figure is about, in the order of the config.

    Args:
        inputs: with `runs`, `averages`, `summary`, the sweep and its factors.
    """
    runs = read_runs(inputs)
    averages, summary = (
        rows[rows["pathology"] == MEAN]
        for rows in (read_table(inputs.averages), read_table(inputs.summary))
    )
    members = dict(zip(averages["run"], averages["runs"].str.split(SEPARATOR), strict=True))
    group_of = {run: group for group, runs in members.items() for run in runs}
    values = summary.set_index(["run", "metric"])["value"]
    points = {}
    for _, row in runs[runs["sweep"] == inputs.sweep].iterrows():
        group = group_of[row["run"]]
        if group in points:
            continue
        scores = averages[averages["run"] == group].set_index("metric", drop=False)
        points[group] = Point(
            {factor: row[factor] for factor in inputs.factors},
            {metric: scores.loc[metric] for metric in scores.index},
            {metric: [values[run, metric] for run in members[group]] for metric in scores.index},
            tuple(each for each in inputs.published if each.run in members[group]),
        )
    return list(points.values())


def read_runs(inputs: Inputs) -> pd.DataFrame:
    """Reads the table of runs; every cell is text, and '' where there is nothing."""
    return pd.read_csv(inputs.runs, dtype=str, keep_default_na=False)


def counts_text(points: list[Point]) -> str:
    """Returns the numbers of X-rays and of seeds behind the points of a sweep."""
    rows = [score for point in points for score in point.scores.values()]
    images = _range([int(row["n_images"]) for row in rows])
    seeds = _range([int(row["n_seeds"]) for row in rows])
    return f"n = {images} X-rays, {seeds} seed{'' if seeds == '1' else 's'} for each point"


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
