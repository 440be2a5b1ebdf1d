"""Pseudo masks by threshold: saliency maps, cut at a share of their maximum."""

from __future__ import annotations

from pathlib import Path

import torch

from chexseg.config.settings import ThresholdSettings
from chexseg.files.artifacts import Output
from chexseg.files.store import Store
from chexseg.inference.batching import batch_of
from chexseg.inference.mask_writing import write_pseudo_masks
from chexseg.saliency.masks import cut


def run(
    *,
    index: Path,
    images: Path,
    saliency: Path,
    out: Output,
    settings: ThresholdSettings,
) -> None:
    """Make the pseudo masks of one shard from its saliency maps alone.

    Args:
        index: The study's index; its labels decide which pathologies have a mask.
        images: One shard of the image store; masks have the size of its images.
        saliency: The same shard of the saliency store.
        out: The same shard of the store of pseudo masks (HDF5).
    """
    maps = Store([saliency], "saliency")
    size = Store([images], "images").meta["image_size"]

    def masks_of(ids: list[str], positive: torch.Tensor) -> torch.Tensor:
        return cut(batch_of(maps, ids), positive, size=size, threshold=settings.threshold)

    write_pseudo_masks(out, index, maps, masks_of, size)
