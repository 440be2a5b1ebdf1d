"""Makes the masks of a source for the X-rays of a shard."""

from __future__ import annotations

from pathlib import Path

from chexseg import catalog
from chexseg.config.settings import Settings
from chexseg.data.index import read_index
from chexseg.data.levels import certain_masks
from chexseg.files.artifacts import Inputs, Output
from chexseg.files.store import Store, write_store
from chexseg.mask_sources.source import Shard


def run(
    *,
    source: str,
    index: Path,
    images: Path,
    inputs: Inputs,
    out: Output,
    settings: Settings,
    train_images: int | None = None,
    threads: int = 1,
) -> None:
    """Make the masks of one shard.

    Args:
        source: Name of the source, as in the section `masks` of the config.
        index: The study's index.
        images: One shard of the image store; masks have the size of its images.
        inputs: The files that the source reads.
        out: The same shard of the mask store (HDF5).
        train_images: Make masks of at most this many train X-rays, chosen by a hash; None: all.
        threads: CPU threads.

    Raises:
        InputError: an input is invalid.
    """
    shard = Shard(read_index(index), Store([images], "images"), threads, train_images)
    masks = catalog.load("mask_source", source).make_masks(settings, inputs, shard)
    meta = {"classes": list(masks.classes), "splits": list(masks.splits)}
    kind = "mask_levels" if masks.graded else "masks"
    meta |= {"soft": masks.soft} if masks.graded else {"columns": shard.size}
    nonempty = 0
    with write_store(out, kind, meta) as writer:
        for cxr_id, mask in masks.items:
            writer.append(cxr_id, mask)
            nonempty += int(certain_masks(mask).any((1, 2)).sum())
        writer.notes = masks.notes()
    print(f"{nonempty} nonempty masks of {len(writer.ids)} X-rays.")
