"""Compares runs by paired differences with confidence intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from chexseg.config.links import HUMAN
from chexseg.errors import Problems, nearest
from chexseg.evaluation.comparisons import difference, gap_closed
from chexseg.evaluation.scores import read_scores
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic

COLUMNS = (
    "contrast", "metric", "pathology", "run", "against", "difference", "ci_low", "ci_high",
    "probability_better", "gap_closed",
)  # fmt: skip


def run(
    *,
    replicates: Path,
    out: Output,
    contrasts: tuple[str, ...] = (),
    runs: tuple[str, ...] = (),
    against: tuple[str, ...] = (),
) -> None:
    """Compare runs on the same resamples of patients.

    Args:
        replicates: Scores and their bootstrap replicates, as written by `chexseg score-runs`.
        out: CSV with the differences of each contrast, and the share of the gap to the human
            benchmark that it closes, if there is one.
        contrasts: Names of the contrasts; without any, the table has no rows.
        runs: The run of each contrast.
        against: The run of each contrast whose score is subtracted.

    Raises:
        InputError: a contrast names a run that was not scored.
    """
    scores = read_scores(replicates)
    problems = Problems()
    if not len(contrasts) == len(runs) == len(against):
        found = f"{len(contrasts)} contrasts, {len(runs)} runs and {len(against)} to compare with"
        problems.add("contrasts", found, "equal numbers", "Pass two runs for each contrast.")
    for name in dict.fromkeys((*runs, *against)):
        if name not in scores:
            remedy = f"Did you mean {nearest(name, tuple(scores))!r}?"
            problems.add(replicates, f"no run {name!r}", f"one of {', '.join(scores)}", remedy)
    problems.raise_if_any()
    parts = []
    for contrast, name, other in zip(contrasts, runs, against, strict=True):
        part = difference(scores[name], scores[other])
        part.insert(0, "contrast", contrast)
        part.insert(3, "run", name)
        part.insert(4, "against", other)
        part["gap_closed"] = np.nan
        if HUMAN in scores and HUMAN not in (name, other):
            part["gap_closed"] = gap_closed(scores[name], scores[other], scores[HUMAN]).ravel()
        parts.append(part)
    compared = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    with atomic(out) as temporary:
        compared.to_csv(temporary, index=False, lineterminator="\n")
    print(f"{len(contrasts)} contrasts of {len(scores)} runs.")
