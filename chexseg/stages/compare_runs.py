"""Compares runs by paired differences with confidence intervals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from chexseg.config.contrasts import SEPARATOR, Contrast
from chexseg.config.links import HUMAN
from chexseg.errors import Problems, nearest
from chexseg.evaluation.comparisons import differences, gaps_closed, holm_of_means
from chexseg.evaluation.power import power_row
from chexseg.evaluation.scores import Scores, read_scores
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic

COLUMNS = (
    "contrast", "metric", "pathology", "run", "against", "difference", "ci_low", "ci_high",
    "patients_low", "patients_high", "seeds_low", "seeds_high", "n_images", "n_patients", "n_seeds",
    "n_pathologies", "n_left_out", "probability_better", "p_value", "p_holm", "gap_closed",
    "gap_low", "gap_high", "matches_human",
)  # fmt: skip
"""Of the table of differences."""

POWER_COLUMNS = (
    "contrast", "metric", "pathology", "n_images", "n_patients", "n_seeds", "standard_error",
    "standard_error_patients", "standard_error_seeds", "detectable_difference", "images_for_0.01",
    "seeds_for_0.01", "images_for_0.02", "seeds_for_0.02",
)  # fmt: skip


def run(
    *,
    replicates: Path,
    out: Output,
    power: Output,
    contrasts: tuple[str, ...] = (),
    runs: tuple[str, ...] = (),
    against: tuple[str, ...] = (),
) -> None:
    """Compare runs on the same resamples of patients.

    A side of a contrast is one run, or several, separated by commas, that differ in nothing but
    their training seed; the seeds of the two sides are paired by position.

    Args:
        replicates: Scores and their bootstrap replicates, as written by `chexseg score-runs`.
        out: CSV with the differences of each contrast: intervals over patients and seeds, over
            either alone, p-values (corrected by Holm's method for the number of contrasts), and, if
            there is a human benchmark, the share of the gap to it that is closed.
        power: CSV with the difference that each contrast could find, and the numbers of X-rays
            and seeds that would find smaller ones.
        contrasts: Names of the contrasts; without any, the tables have no rows.
        runs: The run, or runs, of each contrast.
        against: The run, or runs, of each contrast whose score is subtracted.

    Raises:
        InputError: a contrast names a run that was not scored, or sides that cannot be paired.
    """
    scores = read_scores(replicates)
    chosen = _contrasts(contrasts, runs, against, replicates, tuple(scores))
    parts, powers = [], []
    for name, contrast in chosen.items():
        part, of_power = _compare(contrast, scores)
        for table, rows in ((parts, part), (powers, of_power)):
            rows.insert(0, "contrast", name)
            table.append(rows)
    compared = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    if parts:
        compared["p_holm"] = holm_of_means(compared)
    powers = pd.concat(powers) if powers else pd.DataFrame(columns=POWER_COLUMNS)
    for path, table in ((out, compared[list(COLUMNS)]), (power, powers[list(POWER_COLUMNS)])):
        with atomic(path) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
    print(f"{len(contrasts)} contrasts of {len(scores)} runs.")


def _contrasts(
    names: tuple[str, ...],
    runs: tuple[str, ...],
    against: tuple[str, ...],
    replicates: Path,
    known: tuple[str, ...],
) -> dict[str, Contrast]:
    """Returns the contrasts of a command, after checking them."""
    problems = Problems()
    if not len(set(names)) == len(names) == len(runs) == len(against):
        found = f"{len(names)} contrasts, {len(runs)} runs and {len(against)} to compare with"
        problems.add("contrasts", found, "equal numbers", "Pass two runs for each contrast.")
        problems.raise_if_any()
    chosen = {
        name: Contrast(*(tuple(side.split(SEPARATOR)) for side in sides))
        for name, *sides in zip(names, runs, against, strict=True)
    }
    every = [run for c in chosen.values() for run in (*c.run, *c.against)]
    for run in dict.fromkeys(every):
        if run not in known:
            remedy = f"Did you mean {nearest(run, known)!r}?"
            problems.add(replicates, f"no run {run!r}", f"one of {', '.join(known)}", remedy)
    for name, contrast in chosen.items():
        numbers = (len(contrast.run), len(contrast.against))
        if numbers[0] != numbers[1] and 1 not in numbers:
            found = f"{numbers[0]} runs against {numbers[1]}"
            problems.add(name, found, "equally many, or one", "Name one run of each seed.")
    problems.raise_if_any()
    return chosen


def _compare(contrast: Contrast, scores: dict[str, Scores]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the rows of a contrast: its differences, and their power."""
    run, against = ([scores[name] for name in side] for side in (contrast.run, contrast.against))
    found = differences(run, against)
    rows = pd.DataFrame([each.row() for each in found])
    rows["run"], rows["against"] = SEPARATOR.join(contrast.run), SEPARATOR.join(contrast.against)
    rows[["gap_closed", "gap_low", "gap_high"]] = float("nan")
    rows["matches_human"] = ""
    of_human = HUMAN in (*contrast.run, *contrast.against)
    if of_human:
        rows["matches_human"] = [_matches(each) for each in rows.itertuples()]
    elif HUMAN in scores:
        rows[["gap_closed", "gap_low", "gap_high"]] = gaps_closed(run, against, scores[HUMAN])
    return rows, pd.DataFrame([power_row(each) for each in found])


def _matches(row) -> str:
    """Returns whether the interval of a difference contains 0: yes, no, or '' without one."""
    if pd.isna(row.ci_low):
        return ""
    return "yes" if row.ci_low <= 0 <= row.ci_high else "no"
