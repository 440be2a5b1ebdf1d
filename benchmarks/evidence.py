"""The demo's study on five other phantoms: which kind of supervision segments better?

Each phantom has other persons, lesions and label noise, and its study other weights, orders and
augmentations. A phantom's difference of two runs is paired: the same test X-rays. Intervals are t
intervals over the phantoms, whose differences vary by all of this at once. Settings were chosen on
CHOSEN_ON, and never on PHANTOMS.

Writes benchmarks/results/evidence.csv (differences) and evidence_runs.csv (scores), and prints the
tables of the README.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from differences import cells, verdict
from scipy import stats

PHANTOMS = (101, 102, 103, 104, 105)
CHOSEN_ON = (0, 1, 2, 1001, 1002)
"""Seeds of the phantoms on which settings were chosen; 0 is the demo."""
STUDY = 200
"""Seed of config/phantom-study.yaml, whose phantom chose no setting either."""
CONFIGS = ("config/demo.yaml", "benchmarks/evidence.yaml")
RESULTS = Path("benchmarks/results")
OUT, RUNS_OUT = RESULTS / "evidence.csv", RESULTS / "evidence_runs.csv"
METRICS = ("iou_dataset", "iou_image", "false_positives")
WEAK = ("weak_cam", "weak_irnet")
CONTRASTS = (
    ("chexseg", "full"),
    ("full", "the best of weak"),
    ("self_training", "full"),
    ("self_training", "chexseg"),
    ("second_generation", "full"),
    ("second_generation", "self_training"),
    ("chexseg_random", "full_random"),
    ("full", "full_random"),
)


def study_of(phantom: int) -> str:
    """Returns the name of the study of a phantom."""
    return f"evidence_{phantom}"


def run_study(phantom: int, cores: int) -> None:
    """Runs the study of a phantom up to its scores."""
    summary = f"results/{study_of(phantom)}/summary.csv"
    command = [sys.executable, "-m", "snakemake", summary, "--cores", str(cores)]
    command += [
        "--configfile",
        *CONFIGS,
        "--config",
        f"study={study_of(phantom)}",
        f"seed={phantom}",
    ]
    subprocess.run(command, check=True)


def scores(phantoms: tuple[int, ...]) -> pd.DataFrame:
    """Returns the mean over pathologies: run, metric, phantom, value."""
    tables = []
    for phantom in phantoms:
        summary = pd.read_csv(Path("results") / study_of(phantom) / "summary.csv")
        means = summary[summary["pathology"] == "mean"]
        tables.append(means[["run", "metric", "value"]].assign(phantom=phantom))
    return pd.concat(tables, ignore_index=True)[["run", "metric", "phantom", "value"]]


def differences(values: pd.DataFrame) -> pd.DataFrame:
    """Returns the differences of CONTRASTS over the phantoms, for each metric.

    `the best of weak` is the run of WEAK with the highest mean dataset IoU over the phantoms.

    Args:
        values: from `scores`.

    Returns:
        Columns run, against, metric, difference, ci_low, ci_high and relative: the difference as a
        share of the score of `against`.
    """
    rows = []
    weak = values[(values["metric"] == METRICS[0]) & values["run"].isin(WEAK)]
    best = weak.groupby("run")["value"].mean().idxmax()
    for metric in dict.fromkeys(values["metric"]):
        of_metric = values[values["metric"] == metric]
        by_run = of_metric.pivot(index="phantom", columns="run", values="value")
        for run, against in CONTRASTS:
            against = best if against == "the best of weak" else against
            mean, low, high = interval(by_run[run] - by_run[against])
            relative = mean / by_run[against].mean()
            rows.append((run, against, metric, mean, low, high, relative))
    columns = ["run", "against", "metric", "difference", "ci_low", "ci_high", "relative"]
    return pd.DataFrame(rows, columns=columns)


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Returns the mean of the phantoms' differences, and its 95 % t interval."""
    mean, error = np.mean(differences), stats.sem(differences)
    reach = stats.t.ppf(0.975, len(differences) - 1) * error
    return mean, mean - reach, mean + reach


def table_of_runs(values: pd.DataFrame) -> str:
    """Returns the README's table of runs in Markdown: means over the phantoms, and their range."""
    lines = [
        "| run | IoU over the data set (lowest to highest) | mean IoU of images | false positives |",
        "|---|---|---|---|",
    ]
    for run in dict.fromkeys(values["run"]):
        of_run = values[values["run"] == run].groupby("metric")["value"]
        means, low, high = of_run.mean(), of_run.min(), of_run.max()
        first = METRICS[0]
        cells = [f"**{means[first]:.3f}** ({low[first]:.3f} to {high[first]:.3f})"]
        cells += [f"{means[metric]:.3f}" for metric in METRICS[1:]]
        lines.append(f"| `{run}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table_of_differences(rows: pd.DataFrame) -> str:
    """Returns the README's table of differences in dataset IoU in Markdown."""
    lines = [
        "| run | against | difference | 95 % interval | relative | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows[rows["metric"] == METRICS[0]].itertuples():
        lines.append(f"| {cells(row)} | {row.relative:+.1%} | {verdict(row)} |")
    return "\n".join(lines)


def main() -> None:
    """Runs all studies, which are cached, and writes and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--phantoms", type=int, nargs="+", default=PHANTOMS)
    options = parser.parse_args()
    for phantom in options.phantoms:
        run_study(phantom, options.cores)
    values = scores(tuple(options.phantoms))
    rows = differences(values)
    if tuple(options.phantoms) == PHANTOMS:
        RESULTS.mkdir(parents=True, exist_ok=True)
        values.to_csv(RUNS_OUT, index=False, lineterminator="\n")
        rows.to_csv(OUT, index=False, lineterminator="\n")
    print(table_of_runs(values), table_of_differences(rows), sep="\n\n")


if __name__ == "__main__":
    main()
