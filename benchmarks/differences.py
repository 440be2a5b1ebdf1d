"""Differences between runs, as rows of a table: of the evidence, the study and DoLL."""

from __future__ import annotations

from typing import Any

import pandas as pd


def mean_differences(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of a `comparisons.csv` that are means over the classes.

    A group of seeds has the name of its first run.
    """
    rows = comparisons[comparisons["pathology"] == "mean"].copy()
    for side in ("run", "against"):
        rows[side] = rows[side].str.split(",").str[0]
    return rows


def cells(row: Any) -> str:
    """Returns the cells run, against, difference and interval of a row in Markdown."""
    interval = f"{row.ci_low:+.3f} to {row.ci_high:+.3f}"
    return f"`{row.run}` | `{row.against}` | {row.difference:+.3f} | {interval}"


def verdict(row: Any) -> str:
    """Returns whether a run is better, where more is better: a tie if the interval contains 0."""
    if row.ci_low <= 0 <= row.ci_high:
        return "tie"
    return "better" if row.difference > 0 else "worse"
