"""Averages the train X-rays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chexseg.data.index import read_index
from chexseg.errors import InputError, Problem
from chexseg.files.artifacts import Output
from chexseg.files.progress import progress
from chexseg.files.store import Store, write_store


def run(*, index: Path, images: tuple[Path, ...], out: Output) -> None:
    """Average the stored train X-rays, pixel by pixel.

    The mean is stored as X-rays are: an image store with one X-ray, named mean, whose grey levels are
    rounded. No validation or test X-ray counts.

    Args:
        index: The study's index.
        images: All shards of the image store.
        out: The mean (HDF5).

    Raises:
        InputError: the index has no train X-ray.
    """
    store, ids = Store(images, "images"), read_index(index, "train").index
    if len(ids) == 0:
        remedy = "Correct the train table, or choose another baseline."
        raise InputError([Problem(str(index), "no train X-ray", "at least one", remedy)])
    total = np.zeros(store[ids[0]].shape, np.uint64)
    for cxr_id in progress(ids, "average-images", len(ids)):
        total += store[cxr_id]
    mean = np.rint(total / len(ids)).astype(np.uint8)
    with write_store(out, "images", store.meta) as writer:
        writer.append("mean", mean)
    print(f"Mean of {len(ids)} train X-rays stored.")
