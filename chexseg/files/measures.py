"""Numbers that a shard of a store holds for each map, such as the error of its computation.

They are in the group `measures`, one dataset of float32 for each name, [N, C], in the order of the
ids. A shard without this group has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import h5py
import numpy as np

GROUP = "measures"


def write_measures(file: h5py.File, rows: Sequence[Mapping[str, np.ndarray]]) -> None:
    """Writes the measures of all X-rays of a shard.

    Args:
        file: the shard.
        rows: for each X-ray, name -> numbers of its maps, [C]; all X-rays have the same names.
    """
    for name in rows[0] if rows else ():
        values = np.stack([row[name] for row in rows]).astype(np.float32)
        file.create_dataset(f"{GROUP}/{name}", data=values)


def read_measures(file: h5py.File) -> dict[str, np.ndarray]:
    """Returns the measures of a shard, name -> [N, C], in the order of the ids."""
    return {name: dataset[:] for name, dataset in file.get(GROUP, {}).items()}
