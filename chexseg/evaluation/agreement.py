"""How far the voters of masks agree, from what was counted for each shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chexseg.evaluation.scores import MEAN

COLUMNS = ("masks", "pathology", "voter", "agreement", "n_images", "n_without_map", "n_left_out")


def agreement_table(
    sources: Mapping[str, tuple[Sequence[str], Sequence[str], Sequence[Mapping[str, Any]]]],
) -> pd.DataFrame:
    """Returns the agreement of the voters of sources of masks, a row per class and voter.

    Args:
        sources: name of the source -> names of its classes; names of its voters; and the notes of
            each shard, from `chexseg.mask_sources.votes.Votes`.

    Returns:
        Columns COLUMNS. `agreement` is the mean likeness of a voter's map to the consensus over
        `n_images` X-rays, those with a map; NaN without any. `n_without_map`: those whose map is 0
        everywhere. The voter `mean` is the mean over voters, and its `n_left_out` counts the X-rays
        on which they agree too little; it is empty for a single voter.
    """
    rows = []
    for masks, (classes, voters, notes) in sources.items():
        images, without, left_out, likeness, silent = (
            sum(np.array(each[name]) for each in notes)
            for name in ("images", "without_map", "left_out", "likeness", "silent")
        )
        mean = np.divide(likeness, images, out=np.full(likeness.shape, np.nan), where=images > 0)
        for number, name in enumerate(classes):
            rows += [
                (masks, name, voter, mean[k, number], images[number], silent[k, number], None)
                for k, voter in enumerate(voters)
            ]
            counts = images[number], without[number], left_out[number]
            rows.append((masks, name, MEAN, mean[:, number].mean(), *counts))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n_left_out": "Int64"})
