"""Comparison of runs: one summary, paired differences, and false positives."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from chexseg.config.settings import EvaluationSettings
from chexseg.errors import Problems
from chexseg.evaluation import scores
from chexseg.evaluation.overlaps import COLUMNS, COUNTS
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic


def run(
    *,
    overlaps: tuple[Path, ...],
    names: tuple[str, ...],
    out: Output,
    comparisons: Output,
    false_positives: Output,
    settings: EvaluationSettings,
    human: str = "radiologists",
) -> None:
    """Compare runs on the same X-rays.

    Args:
        overlaps: The runs' pixel counts, as `chexseg evaluate --overlaps` writes them.
        names: The runs' names, in the order of `overlaps`.
        out: CSV with the scores of all runs.
        comparisons: CSV with the differences of each run against each one before it, on the
            same resamples of patients, and the share of the gap to the human that it closes.
        false_positives: CSV that says what runs draw where the truth is empty.
        human: Run of the human benchmark; if it is not among the names, no gap is computed.

    Raises:
        InputError: a table is not one of overlaps, or the runs are not of the same X-rays.
    """
    tables = _read(overlaps, names)
    options = settings.model_dump()
    summary = _stack({name: scores.score_run(table, **options) for name, table in tables.items()})
    drawn = _stack({name: scores.false_positives(table) for name, table in tables.items()})
    values = summary.set_index(["run", "metric", "pathology"])["value"]
    parts = []
    for against, name in combinations(tables, 2):
        part = scores.difference(tables[name], tables[against], **options)
        part.insert(2, "run", name)
        part.insert(3, "against", against)
        part["gap_closed"] = np.nan
        if human in tables and human not in (name, against):
            part["gap_closed"] = [
                scores.gap_closed(
                    *(values[run, metric, pathology] for run in (name, against, human))
                )
                for metric, pathology in zip(part["metric"], part["pathology"], strict=True)
            ]
        parts.append(part)
    compared = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COMPARED)
    for path, table in ((out, summary), (comparisons, compared), (false_positives, drawn)):
        with atomic(path) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")

    means = summary[summary["pathology"] == scores.MEAN]
    print(
        means.pivot(index="run", columns="metric", values="value")
        .loc[list(tables)]
        .round(3)
        .to_string()
    )


_COMPARED = (
    "metric", "pathology", "run", "against", "difference", "ci_low", "ci_high",
    "probability_better", "gap_closed",
)  # fmt: skip


def _stack(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Lays the tables of runs end to end, the run's name in the first column."""
    stacked = pd.concat(tables, names=["run", "row"]).reset_index("row", drop=True)
    return stacked.reset_index()


def _read(overlaps: tuple[Path, ...], names: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Reads tables of overlaps, and checks that they can be compared."""
    problems, tables = Problems(), {}
    if not names or not len(overlaps) == len(names) == len(set(names)):
        problems.add(
            "names", f"{len(overlaps)} tables of overlaps and {len(set(names))} different names",
            "one name of its own for each table", "Give as many names as tables.",
        )  # fmt: skip
    problems.raise_if_any()
    for name, path in zip(names, overlaps, strict=True):
        try:
            table = pd.read_csv(path, dtype={"cxr_id": str, "patient": str, "pathology": str})
        except (OSError, ValueError) as error:
            problems.add(path, f"no table ({error})", "a CSV of overlaps", "Correct the path.")
            continue
        missing = [column for column in COLUMNS if column not in table]
        if missing or any(table[column].dtype != np.int64 for column in COUNTS):
            problems.add(
                path, f"columns {', '.join(table.columns)}", f"pixel counts in {', '.join(COLUMNS)}",
                "Make the table with `chexseg evaluate --overlaps`.",
            )  # fmt: skip
            continue
        tables[name] = table
        first = next(iter(tables.values()))
        rows = ["cxr_id", "patient", "pathology"]
        if not table[rows].equals(first[rows]):
            problems.add(
                path, "other X-rays or pathologies", f"those of {overlaps[0]}",
                "Evaluate all runs with the same --index and --pathologies.",
            )  # fmt: skip
    problems.raise_if_any()
    return tables
