"""Stores the X-rays of a shard, letterboxed and grey, in one HDF5 file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from chexseg.config.settings import ImageSettings
from chexseg.data.images import letterboxed
from chexseg.data.index import read_index
from chexseg.errors import InputError, Problems
from chexseg.files.artifacts import Folder, Output
from chexseg.files.progress import progress
from chexseg.files.store import write_store


def run(
    *,
    index: Path,
    root: Folder,
    out: Output,
    settings: ImageSettings,
    shard: int = 0,
    threads: int = 1,
) -> None:
    """Decode, letterbox and store the X-rays of one shard.

    Args:
        index: The study's index.
        root: Data folder, to which the paths of the index are relative.
        out: The image store (HDF5).
        shard: Number of the shard in the index.
        threads: Number of X-rays decoded at once.

    Raises:
        InputError: lists every X-ray that is missing, truncated or not an image.
    """
    paths = read_index(index, shard=shard)["path"]
    size = settings.image_size
    problems = Problems()

    def load(path: str) -> np.ndarray | None:
        try:
            return letterboxed(root / path, size)
        except InputError as error:
            problems.found += error.problems
            return None

    def items():
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(paths), 64):  # limits the number of X-rays in memory
                part = paths.iloc[start : start + 64]
                yield from zip(part.index, pool.map(load, part), strict=True)

    with write_store(out, "images", {"image_size": size}) as store:
        for cxr_id, image in progress(items(), "store-images", len(paths)):
            if image is not None:
                store.append(cxr_id, image)
        problems.raise_if_any()
    print(f"{len(paths)} X-rays stored at {size} x {size} pixels.")
