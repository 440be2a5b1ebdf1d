"""Reads the index of a study, as written by stage `build-index`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chexseg.data.layouts.layout import FIXED_COLUMNS
from chexseg.errors import InputError, Problem, Problems, near


def read_index(path: str | Path, *splits: str, shard: int | None = None) -> pd.DataFrame:
    """Returns the rows of the given splits (or of all splits), indexed by cxr_id.

    Every column that is not one of FIXED_COLUMNS is a finding, float64: 1, 0, -1 (uncertain) or
    NaN (blank).

    Args:
        path: the index CSV.
        splits: names from `chexseg.data.splits.SPLITS`; none selects all rows.
        shard: if given, only the X-rays of this shard.

    Raises:
        InputError: the file is missing, damaged, or not an index.
    """
    text, whole = ("cxr_id", "path", "patient", "study", "split"), ("height", "width")
    dtypes = dict.fromkeys(text, "str") | dict.fromkeys(whole, "Int64")
    dtypes |= {"shard": "int64", "sha256": "str"}
    try:
        names = pd.read_csv(path, nrows=0).columns
        dtypes |= {name: "float64" for name in names if name not in FIXED_COLUMNS}
        index = pd.read_csv(path, dtype=dtypes, index_col="cxr_id")
        needed = ["split"] * bool(splits) + ["shard"] * (shard is not None)
        absent = [name for name in needed if name not in index.columns]
        found = f"no column {absent[0]!r}" if absent else None
    except (OSError, ValueError, TypeError, LookupError, OverflowError) as error:
        found = f"an unreadable index ({str(error).strip()})"
    if found:
        remedy = "Create it with `chexseg build-index`, or run the workflow again."
        raise InputError([Problem(str(path), found, "an index", remedy, "tables")])
    if splits:
        index = index[index["split"].isin(splits)]
    if shard is not None:
        index = index[index["shard"] == shard]
    return index


def without(index: pd.DataFrame, held_out: Sequence[str]) -> pd.DataFrame:
    """Returns the rows that do not show any of the held-out findings, as far as labels tell.

    An X-ray labelled 1 or -1 (uncertain) for one of them is left out; a blank label counts as 0.

    Raises:
        InputError: see `class_labels`.
    """
    if not held_out:
        return index
    labels = class_labels(index, tuple(held_out))
    return index[~((labels == 1) | (labels == -1)).any(1)]


def findings_of(index: pd.DataFrame) -> tuple[str, ...]:
    """Returns the names of the findings of an index, in the order of its columns."""
    return tuple(name for name in index.columns if name not in FIXED_COLUMNS)


def labels_of(index: pd.DataFrame) -> np.ndarray:
    """Returns the labels of all findings: float32 [N, F] of 1, 0, -1 and NaN (blank)."""
    return index[list(findings_of(index))].to_numpy(np.float32)


def positives_of(index: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    """Returns which classes each X-ray is labelled positive for: bool [N, C], True for label 1.

    An uncertain or blank label does not count.

    Raises:
        InputError: see `class_labels`.
    """
    return class_labels(index, classes) == 1


def class_labels(index: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    """Returns the labels of some classes: float32 [N, C] of 1, 0, -1 and NaN (blank).

    Raises:
        InputError: a class is not among the findings of the index.
    """
    names, problems = findings_of(index), Problems()
    for each in classes:
        if each not in names:
            remedy = "Add it to data.findings."
            if meant := near(each, names):
                remedy = f"Add it to data.findings; the nearest there is {meant!r}."
            problems.add("the index", f"no labels of {each!r}", "a column of that name", remedy)
    problems.raise_if_any()
    return index[list(classes)].to_numpy(np.float32)
