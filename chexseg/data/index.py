"""Reading the index of a study, as stage `build-index` writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from chexseg.data.pathologies import OBSERVATIONS, observation_of
from chexseg.errors import InputError, Problem


def read_index(path: str | Path, *splits: str, shard: int | None = None) -> pd.DataFrame:
    """Returns the rows of the given splits (all of them if none is named), cxr_id as row label.

    Args:
        path: the index CSV.
        splits: names from `chexseg.data.splits.SPLITS`.
        shard: only X-rays of this shard.

    Raises:
        InputError: the file is absent, damaged or no index.
    """
    text, whole = ("cxr_id", "path", "patient", "study", "split"), ("height", "width")
    dtypes = dict.fromkeys(text, "str") | dict.fromkeys(whole, "Int64")
    dtypes |= {"shard": "int64"} | dict.fromkeys(OBSERVATIONS, "float64")
    try:
        index = pd.read_csv(path, dtype=dtypes, index_col="cxr_id")
        needed = ["split"] * bool(splits) + ["shard"] * (shard is not None)
        absent = [name for name in needed if name not in index.columns]
        found = f"no column {absent[0]!r}" if absent else None
    except (OSError, ValueError, TypeError, LookupError, OverflowError) as error:
        found = f"no index ({str(error).strip()})"
    if found:
        remedy = "Make it with `chexseg build-index`, or run the workflow again."
        raise InputError([Problem(str(path), found, "an index", remedy, "tables")])
    if splits:
        index = index[index["split"].isin(splits)]
    if shard is not None:
        index = index[index["shard"] == shard]
    return index


def observations_of(index: pd.DataFrame) -> np.ndarray:
    """Returns the labels of all observations: float32 [N, 14] of 1, 0, -1 and NaN (blank)."""
    return index[list(OBSERVATIONS)].to_numpy(np.float32)


def positives_of(index: pd.DataFrame, pathologies: tuple[str, ...]) -> np.ndarray:
    """Returns which pathologies an X-ray is labelled with: bool [N, P], True for label 1 only.

    This is the gate of pseudo masks: neither an uncertain nor a blank label opens it.
    """
    columns = [observation_of(pathology) for pathology in pathologies]
    return index[columns].to_numpy(np.float32) == 1
