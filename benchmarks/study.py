"""What the experiments of config/phantom-study.yaml found, from the finished study.

`make study` runs the study. Scores are means over the pathologies and three training seeds; intervals are
over patients and seeds. Writes benchmarks/results/study.csv (differences of the named contrasts) and
study_runs.csv (scores of each point of each sweep), and prints the tables of docs/method.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

STUDY = Path("results/phantom-study")
OUT = Path("benchmarks/results/study.csv")
RUNS_OUT = OUT.with_name("study_runs.csv")
METRIC = "iou_dataset"
SCORES = ["metric", "value", "ci_low", "ci_high", "n_images", "n_seeds"]
DIFFERENCES = ["contrast", "run", "against", "metric", "difference", "ci_low", "ci_high"]


def scores(figures: Path) -> pd.DataFrame:
    """Returns the scores of all points: sweep, point, and the columns SCORES.

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


def differences(comparisons: Path) -> pd.DataFrame:
    """Returns the mean differences of all contrasts; a group of seeds has the name of its first run."""
    rows = pd.read_csv(comparisons)
    rows = rows[rows["pathology"] == "mean"].copy()
    for side in ("run", "against"):
        rows[side] = rows[side].str.split(",").str[0]
    return rows[DIFFERENCES].reset_index(drop=True)


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


def table_of_differences(rows: pd.DataFrame) -> str:
    """Returns the differences of the contrasts in Markdown."""
    lines = ["| run | against | difference | 95 % interval | |", "|---|---|---|---|---|"]
    for row in rows[rows["metric"] == METRIC].itertuples():
        clear = row.ci_low > 0 or row.ci_high < 0
        verdict = "tie" if not clear else "better" if row.difference > 0 else "worse"
        lines.append(
            f"| `{row.run}` | `{row.against}` | {row.difference:+.3f} | {row.ci_low:+.3f} to "
            f"{row.ci_high:+.3f} | {verdict} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Reads the finished study, writes what it found and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=STUDY)
    options = parser.parse_args()
    points = scores(options.study / "figures")
    found = differences(options.study / "comparisons.csv")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    points.to_csv(RUNS_OUT, index=False, lineterminator="\n")
    found.to_csv(OUT, index=False, lineterminator="\n")
    for sweep in dict.fromkeys(points["sweep"]):
        print(table_of_points(points, sweep), end="\n\n")
    print(table_of_differences(found))


if __name__ == "__main__":
    main()
