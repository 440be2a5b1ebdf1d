"""The four questions about DoLL, from the finished study of config/doll.yaml.

`make doll` runs the study. Each question has contrasts of that config; intervals are over patients and
training seeds. Writes benchmarks/results/doll.csv, and prints the table of the README.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from differences import cells, mean_differences, verdict

CONFIG = "config/doll.yaml"
COMPARISONS, TRAININGS = "comparisons.csv", "trainings.csv"
OUT = Path("benchmarks/results/doll.csv")
CHOSEN_ON = (0, 1, 2, 1001, 1002)
"""Seeds of the phantoms on which settings were chosen."""
SHARES = (5, 10, 25, 100)
"""Percent of the experts' masks; contrasts are named by them."""
QUESTIONS = {
    "Does it help with few labels?": ("doll_vs_scratch", "doll_vs_classifier"),
    "Does the pre-trained decoder help over the encoder alone?": ("doll_vs_doll_encoder",),
    "Integrated Gradients or Grad-CAM?": ("doll_vs_cam",),
    "One model or several?": ("doll_vs_one_model",),
    "What should be trained?": (
        *("doll_head_vs_full", "doll_adapters_vs_full"),
        *("classifier_head_vs_full", "classifier_adapters_vs_full"),
    ),
}
"""Question -> its contrasts, without the share."""
FEW = (5, 10)
"""Shares about which the first question asks."""
COLUMNS = ["question", "run", "against", "metric", "difference", "ci_low", "ci_high"]


def contrasts() -> dict[str, str]:
    """Returns contrast -> question, for every share that the study may have."""
    return {
        f"{name}_{share}": question
        for question, names in QUESTIONS.items()
        for name in names
        for share in (FEW if question == next(iter(QUESTIONS)) else SHARES)
    }


def answers(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Returns the mean differences over the organs, with their question.

    Args:
        comparisons: `comparisons.csv` of the study.

    Returns:
        COLUMNS, in the order of the questions; a group of seeds is called by its first run.

    Raises:
        KeyError: the study lacks a question.
    """
    asked = contrasts()
    rows = mean_differences(comparisons)
    rows = rows[rows["contrast"].isin(asked)].copy()
    rows["question"] = rows["contrast"].map(asked)
    for name in QUESTIONS:
        if name not in set(rows["question"]):
            raise KeyError(f"no contrast answers {name!r}")
    place = {contrast: number for number, contrast in enumerate(asked)}
    rows["place"] = rows["contrast"].map(place)
    metrics = {metric: number for number, metric in enumerate(dict.fromkeys(rows["metric"]))}
    rows["metric_place"] = rows["metric"].map(metrics)
    return rows.sort_values(["place", "metric_place"])[COLUMNS].reset_index(drop=True)


def table_of_answers(rows: pd.DataFrame) -> str:
    """Returns the README's table of answers in Markdown, in Dice alone."""
    lines = [
        "| question | run | against | difference in Dice | 95 % interval | |",
        "|---|---|---|---|---|---|",
    ]
    before = None
    for row in rows[rows["metric"] == "dice"].itertuples():
        question = "" if row.question == before else row.question
        before = row.question
        lines.append(f"| {question} | {cells(row)} | {verdict(row)} |")
    return "\n".join(lines)


def table_of_speed(trainings: pd.DataFrame, averages: pd.DataFrame) -> str:
    """Returns how soon each group of seeds reaches 95 % of its best score, in Markdown.

    Args:
        trainings: `trainings.csv` of the study.
        averages: `averages.csv` of the study: column `runs` lists the runs of a group.
    """
    own = trainings.set_index(trainings["training"].str.removeprefix("segmenters/"))
    groups = averages.drop_duplicates("run")[["run", "runs"]]
    lines = [
        "| run | trained parameters | steps to 95 % | seconds to 95 % | peak memory (MB) |",
        "|---|---|---|---|---|",
    ]
    for run, runs in groups.itertuples(index=False):
        mean = own.loc[[name for name in runs.split(",") if name in own.index]].mean(
            numeric_only=True
        )
        lines.append(
            f"| `{run}` | {mean['trainable_parameters']:,.0f} | {mean['steps_to_95']:.0f} | "
            f"{mean['seconds_to_95']:.0f} | {mean['peak_memory_mb']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Reads the finished study, writes the answers and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=Path("results/doll"))
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    rows = answers(pd.read_csv(options.study / COMPARISONS))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(options.out, index=False, lineterminator="\n")
    trainings = pd.read_csv(options.study / TRAININGS)
    averages = pd.read_csv(options.study / "averages.csv")
    print(table_of_answers(rows), table_of_speed(trainings, averages), sep="\n\n")


if __name__ == "__main__":
    main()
