"""Pseudo masks by random walk: saliency maps, spread up to the edges that IRNet sees."""

from __future__ import annotations

from pathlib import Path

import torch

from chexseg.affinity.random_walk import random_walk
from chexseg.config.settings import WalkSettings
from chexseg.files.artifacts import Output
from chexseg.files.store import Store
from chexseg.inference.batching import batch_of, device_for_inference
from chexseg.inference.mask_writing import write_pseudo_masks
from chexseg.saliency.masks import cut


def run(
    *,
    index: Path,
    images: Path,
    saliency: Path,
    affinity: Path,
    out: Output,
    settings: WalkSettings,
    threads: int = 1,
) -> None:
    """Make the pseudo masks of one shard by a random walk of its saliency maps.

    Args:
        index: The study's index; its labels decide which pathologies have a mask.
        images: One shard of the image store; masks have the size of its images.
        saliency: The same shard of the saliency store.
        affinity: The same shard of the store of affinity maps.
        out: The same shard of the store of pseudo masks (HDF5).
        threads: CPU threads.
    """
    device = device_for_inference(threads)
    maps, edges = Store([saliency], "saliency"), Store([affinity], "affinity")
    size = Store([images], "images").meta["image_size"]

    def masks_of(ids: list[str], positive: torch.Tensor) -> torch.Tensor:
        edge = batch_of(edges, ids).to(device)
        cam = torch.nn.functional.interpolate(
            batch_of(maps, ids).to(device),
            size=edge.shape[-2:],
            mode="bilinear",
            align_corners=False,
        )
        cam = cam / cam.amax((2, 3), keepdim=True).clamp(min=1e-12)
        walked = random_walk(
            cam, edge, radius=settings.radius, beta=settings.beta, steps_log2=settings.steps_log2
        )
        return cut(walked, positive.to(device), size=size, threshold=settings.background)

    write_pseudo_masks(out, index, maps, masks_of, size)
