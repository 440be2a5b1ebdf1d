"""Lists what the trainings of the study took: parameters, memory, steps and seconds."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from chexseg.errors import Problems
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic

NEAR = 0.95
"""Share of the best score by which trainings are compared in speed."""

COLUMNS = (
    *("training", "epochs", "steps", "trainable_parameters", "peak_memory_mb", "seconds"),
    *("best_epoch", "best_score", "epochs_to_95", "steps_to_95", "seconds_to_95"),
)
READ = ("epoch", "steps", "trainable_parameters", "peak_memory_mb", "seconds")


def run(*, metrics: tuple[Path, ...], names: tuple[str, ...], out: Output) -> None:
    """Write a table with one row per training.

    Its columns are `training`; `epochs`, `steps` and `seconds` of the whole training;
    `trainable_parameters`; `peak_memory_mb`, the largest of all epochs; `best_epoch` and its
    `best_score`; and after how many epochs, steps and seconds the score was first 95 % of the best
    (`epochs_to_95`, `steps_to_95`, `seconds_to_95`). The last five are empty for a training without
    scores.

    Args:
        metrics: Metrics of the trainings.
        names: Names of the trainings, in the order of `metrics`.
        out: The table (CSV).

    Raises:
        InputError: the numbers of files and names differ, or a file lacks a column.
    """
    problems = Problems()
    if len(metrics) != len(names):
        found, expected = f"{len(names)} names", f"{len(metrics)}, as metrics"
        problems.add("--names", found, expected, "Name each training once.")
    rows = [_read(path, problems) for path in metrics]
    problems.raise_if_any()
    table = [_row(name, epochs) for name, epochs in zip(names, rows, strict=True)]
    with atomic(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    print(f"{len(table)} trainings.")


def _read(path: Path, problems: Problems) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = rows[0] if rows else ()
    if absent := [name for name in READ if name not in columns]:
        found, expected = f"no column {absent[0]!r}", f"columns {', '.join(READ)}"
        problems.add(path, found, expected, "Train again.")
    return rows


def _row(name: str, epochs: Sequence[Mapping[str, str]]) -> dict[str, object]:
    """Returns the row of a training from the rows of its epochs."""
    steps = list(accumulate(int(each["steps"]) for each in epochs))
    seconds = [round(each, 3) for each in accumulate(float(epoch["seconds"]) for epoch in epochs)]
    row: dict[str, object] = {
        "training": name,
        "epochs": len(epochs),
        "steps": steps[-1],
        "trainable_parameters": epochs[-1]["trainable_parameters"],
        "peak_memory_mb": max(int(each["peak_memory_mb"]) for each in epochs),
        "seconds": seconds[-1],
    }
    scores = [float(each.get("score") or "nan") for each in epochs]
    if finite := [score for score in scores if math.isfinite(score)]:
        near = next(n for n, score in enumerate(scores) if score >= NEAR * max(finite))
        row |= {"best_epoch": scores.index(max(finite)) + 1, "best_score": max(finite)}
        row |= {"epochs_to_95": near + 1}
        row |= {"steps_to_95": steps[near], "seconds_to_95": seconds[near]}
    return row
