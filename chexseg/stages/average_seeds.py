"""Averages the scores of runs that differ only in their training seed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from chexseg.config.contrasts import SEPARATOR
from chexseg.errors import Problems, nearest
from chexseg.evaluation.comparisons import averages
from chexseg.evaluation.scores import read_scores
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic

COLUMNS = (
    "run", "runs", "metric", "pathology", "value", "ci_low", "ci_high", "patients_low",
    "patients_high", "seeds_low", "seeds_high", "n_images", "n_patients", "n_seeds",
    "n_pathologies", "n_left_out",
)  # fmt: skip
"""Of the table."""


def run(*, replicates: Path, runs: tuple[str, ...], out: Output) -> None:
    """Average the scores of runs that differ only in their training seed.

    The intervals are for other patients and other seeds, with the variance of the comparisons; a
    run with one seed is scored as it was trained.

    Args:
        replicates: Scores and their bootstrap replicates, as written by `chexseg score-runs`.
        runs: Groups of runs; the runs of a group are separated by commas, and its name is the
            first.
        out: CSV with the means, and their intervals over patients and seeds, and over either alone.

    Raises:
        InputError: a run was not scored.
    """
    scores, problems = read_scores(replicates), Problems()
    groups = [tuple(group.split(SEPARATOR)) for group in runs]
    for name in dict.fromkeys(name for group in groups for name in group):
        if name not in scores:
            remedy = f"Did you mean {nearest(name, tuple(scores))!r}?"
            problems.add(replicates, f"no run {name!r}", f"one of {', '.join(scores)}", remedy)
    problems.raise_if_any()
    rows = [
        {"run": group[0], "runs": SEPARATOR.join(group)} | average.row()
        for group in groups
        for average in averages([scores[name] for name in group])
    ]
    with atomic(out) as temporary:
        table = pd.DataFrame(rows, columns=COLUMNS)
        table.to_csv(temporary, index=False, lineterminator="\n")
    print(f"{len(groups)} groups of {len(scores)} runs.")
