"""Scores all runs of a study, with confidence intervals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from chexseg.config.settings import EvaluationSettings
from chexseg.errors import Problems
from chexseg.evaluation.false_positives import count_false_positives
from chexseg.evaluation.overlaps import ROW, read_overlaps
from chexseg.evaluation.scores import MEAN, score, write_scores
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic


def run(
    *,
    overlaps: tuple[Path, ...],
    names: tuple[str, ...],
    out: Output,
    replicates_out: Output,
    false_positives: Output,
    settings: EvaluationSettings,
) -> None:
    """Score runs on the same X-rays.

    Args:
        overlaps: Pixel counts of the runs, as written by `chexseg count-overlaps`.
        names: Names of the runs, in the order of `overlaps`.
        out: CSV with the scores of all runs.
        replicates_out: Scores and their bootstrap replicates (npz), for comparisons.
        false_positives: CSV with the predictions of runs where the truth is empty.

    Raises:
        InputError: a file is not a table of overlaps, or the runs have different X-rays.
    """
    tables = _read(overlaps, names)
    scores = {name: score(table, **settings.model_dump()) for name, table in tables.items()}
    summary = _stack({name: each.table() for name, each in scores.items()})
    drawn = _stack({name: count_false_positives(table) for name, table in tables.items()})
    for path, table in ((out, summary), (false_positives, drawn)):
        with atomic(path) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
    write_scores(replicates_out, scores)
    means = summary[summary["pathology"] == MEAN]
    means = means.pivot(index="run", columns="metric", values="value").loc[list(tables)]
    print(means.round(3).to_string())


def _stack(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Concatenates the tables of runs, with the name of the run in the first column."""
    stacked = pd.concat(tables, names=["run", "row"]).reset_index("row", drop=True)
    return stacked.reset_index()


def _read(overlaps: tuple[Path, ...], names: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Reads tables of overlaps, and checks that they are comparable."""
    problems, tables = Problems(), {}
    if not names or not len(overlaps) == len(names) == len(set(names)):
        problems.add(
            "names", f"{len(overlaps)} tables of overlaps and {len(set(names))} different names",
            "a different name for each table", "Pass one name per table.",
        )  # fmt: skip
    problems.raise_if_any()
    for name, path in zip(names, overlaps, strict=True):
        table = read_overlaps(path, problems)
        if table is None:
            continue
        tables[name] = table
        first = next(iter(tables.values()))
        if not table[list(ROW)].equals(first[list(ROW)]):
            problems.add(
                path, "different X-rays or pathologies", f"the same as in {overlaps[0]}",
                "Count the overlaps of all runs with the same --index and --pathologies.",
            )  # fmt: skip
    problems.raise_if_any()
    return tables
