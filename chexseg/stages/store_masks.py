"""Mask store: the expert masks of the splits `expert` and `validation`, letterboxed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chexseg.config.settings import ImageSettings
from chexseg.data.images import Letterbox
from chexseg.data.index import read_index
from chexseg.data.masks import decode, read_masks
from chexseg.files.artifacts import Output
from chexseg.files.progress import progress
from chexseg.files.store import write_store


def run(
    *,
    index: Path,
    masks: Path,
    out: Output,
    settings: ImageSettings,
    pathologies: tuple[str, ...],
) -> None:
    """Store the expert masks that train and select segmenters.

    An X-ray without an entry in `masks` has empty masks: CheXlocalize leaves out X-rays without
    any positive label.

    Args:
        index: The study's index.
        masks: Expert masks of the validation X-rays (CheXlocalize JSON).
        out: The mask store (HDF5).
        pathologies: Pathologies of the study, in the order of the store.
    """
    rows = read_index(index, "expert", "validation")
    expert = read_masks(masks, pathologies=pathologies)
    size = settings.image_size
    meta = {"columns": size, "pathologies": list(pathologies)}
    with write_store(out, "masks", meta) as store:
        for cxr_id, row in progress(rows.iterrows(), "store-masks", len(rows)):
            entry = expert.get(cxr_id)
            if entry is None:
                stored = np.zeros((len(pathologies), size, size), bool)
            else:
                native = np.stack([decode(entry[pathology]) for pathology in pathologies])
                stored = Letterbox(row.height, row.width, size).masks(native)
            store.append(cxr_id, stored)
    print(
        f"Masks of {len(rows)} X-rays stored, {len(set(rows.index) & set(expert))} of them drawn."
    )
