"""Writing a shard of pseudo masks, whatever method makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from chexseg.data.index import positives_of, read_index
from chexseg.files.progress import progress
from chexseg.files.store import Store, write_store

BATCH = 32


def write_pseudo_masks(
    out: Path,
    index: Path,
    maps: Store,
    masks_of: Callable[[list[str], Tensor], Tensor],
    size: int,
) -> None:
    """Makes the masks of all X-rays of a shard of saliency maps.

    Args:
        out: the store of masks to write.
        index: the study's index.
        maps: the shard; its `classes` become those of the masks.
        masks_of: (cxr_ids, their positive labels [B, P] bool) -> masks [B, P, size, size] bool.
        size: side of the masks in pixels.
    """
    pathologies = tuple(maps.meta["classes"])
    rows = read_index(index).loc[maps.ids]
    positives = torch.from_numpy(positives_of(rows, pathologies))
    drawn, starts = 0, range(0, len(rows), BATCH)
    meta = {"columns": size, "classes": list(pathologies), "splits": ["train"]}
    with write_store(out, "masks", meta) as store:
        for start in progress(starts, "pseudo masks", len(starts)):
            ids = maps.ids[start : start + BATCH]
            masks = masks_of(ids, positives[start : start + BATCH]).cpu().numpy()
            for cxr_id, mask in zip(ids, masks, strict=True):
                store.append(cxr_id, mask)
            drawn += int(masks.any((2, 3)).sum())
    print(f"{drawn} masks of {int(positives.sum())} positive labels in {len(rows)} X-rays.")
