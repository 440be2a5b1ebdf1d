"""What the experiments of config/phantom-study.yaml found, from the finished study.

`make study` runs the study. Scores are means over the pathologies and three training seeds; intervals are
over patients and seeds. Writes study.csv (differences) and study_runs.csv (scores of each point of each
sweep) into benchmarks/results, and prints the tables of docs/method.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from differences import cells, mean_differences, verdict

from chexseg.evaluation.comparisons import differences
from chexseg.evaluation.scores import MEAN, read_scores

STUDY = Path("results/phantom-study")
OUT = Path("benchmarks/results/study.csv")
RUNS_OUT = OUT.with_name("study_runs.csv")
METRIC = "iou_dataset"
SCORES = ["metric", "value", "ci_low", "ci_high", "n_images", "n_seeds"]
DIFFERENCES = ["run", "against", "metric", "difference", "ci_low", "ci_high"]
LATER = (
    *((f"chexseg-expert_{weight}", "full") for weight in ("0.1", "0.3", "0.5", "0.7")),
    ("chexseg-expert_unweighted", "full"),
    *(
        (f"{run}-expert.images_{number}", f"full-expert.images_{number}")
        for number in (5, 10, 40)
        for run in ("chexseg", "self_training")
    ),
    ("weak_cam-x_rays_250", "weak_cam"),
    ("weak_cam-x_rays_1000", "weak_cam"),
    ("distilled-softness_3", "full"),
    ("distilled-softness_10", "full"),
    ("distilled", "self_training"),
)
"""Differences that the config does not name: we asked for them when we had seen the curves."""


def scores(figures: Path) -> pd.DataFrame:
    """Returns the scores of all points: sweep, factors, point, and the columns SCORES.

    Args:
        figures: folder with a CSV of each sweep's table; a point is named by the values of its factors.
    """
    tables = []
    for path in sorted(figures.glob("sweep_table-*.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        factors = list(table.columns[: table.columns.get_loc("run")])
        point = table[factors].agg(", ".join, axis=1)
        kept = table[SCORES].astype(dict.fromkeys(SCORES[1:], float))
        sweep = path.stem.removeprefix("sweep_table-")
        tables.append(kept.assign(sweep=sweep, factors=", ".join(factors), point=point))
    return pd.concat(tables, ignore_index=True)[["sweep", "factors", "point", *SCORES]]


def all_differences(study: Path) -> pd.DataFrame:
    """Returns the differences of the config's contrasts (`named`), and of LATER."""
    named = mean_differences(pd.read_csv(study / "comparisons.csv"))
    seeds = pd.read_csv(study / "averages.csv").drop_duplicates("run").set_index("run")["runs"]
    scored, later = read_scores(study / "replicates.npz"), []
    for run, against in LATER:
        groups = ([scored[name] for name in seeds[side].split(",")] for side in (run, against))
        rows = (each.row() for each in differences(*groups) if each.pathology == MEAN)
        later += [{"run": run, "against": against, **row} for row in rows]
    parts = {True: named, False: pd.DataFrame(later)}
    return pd.concat([part[DIFFERENCES].assign(named=name) for name, part in parts.items()])


def table_of_points(rows: pd.DataFrame, sweep: str) -> str:
    """Returns the scores of a sweep in Markdown."""
    rows = rows[(rows["sweep"] == sweep) & (rows["metric"] == METRIC)]
    lines = [
        f"| {rows['factors'].iloc[0]} | IoU over the data set | 95 % interval |",
        "|---|---|---|",
    ]
    for row in rows.itertuples():
        lines.append(
            f"| {row.point} | **{row.value:.3f}** | {row.ci_low:.3f} to {row.ci_high:.3f} |"
        )
    return "\n".join(lines)


def table_of_differences(rows: pd.DataFrame, *, named: bool) -> str:
    """Returns the differences that the config names, or the others, in Markdown."""
    lines = ["| run | against | difference | 95 % interval | |", "|---|---|---|---|---|"]
    chosen = rows[(rows["metric"] == METRIC) & (rows["named"] == named)]
    return "\n".join(
        [*lines, *(f"| {cells(row)} | {verdict(row)} |" for row in chosen.itertuples())]
    )


def main() -> None:
    """Reads the finished study, writes what it found and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=STUDY)
    options = parser.parse_args()
    points, found = scores(options.study / "figures"), all_differences(options.study)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    points.to_csv(RUNS_OUT, index=False, lineterminator="\n")
    found.to_csv(OUT, index=False, lineterminator="\n")
    for sweep in dict.fromkeys(points["sweep"]):
        print(table_of_points(points, sweep), end="\n\n")
    for named in (True, False):
        print(table_of_differences(found, named=named), end="\n\n")


if __name__ == "__main__":
    main()
