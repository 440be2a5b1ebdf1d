"""Saliency store: a map of every pathology for every X-ray of a shard."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from chexseg.config.settings import SaliencySettings
from chexseg.data.pathologies import OBSERVATIONS, PATHOLOGIES, observation_of
from chexseg.files.artifacts import Output
from chexseg.files.store import Store, write_store
from chexseg.inference.batching import Unlabelled, device_for_inference, evaluation_mode, infer
from chexseg.losses.classification import positive_outputs
from chexseg.models.trained import load_classifier
from chexseg.saliency.gradcam import GradCAM

METHODS = {"gradcam": GradCAM}
"""Saliency method of each name: made from a classifier, its `maps` are called."""


def run(
    *,
    images: Path,
    classifiers: tuple[Path, ...],
    out: Output,
    settings: SaliencySettings,
    pathologies: tuple[str, ...] = PATHOLOGIES,
    threads: int = 1,
) -> None:
    """Compute the saliency maps of one shard.

    Maps are raw: at the resolution of the classifier's features, not scaled, not gated by labels.
    With several classifiers, each map is scaled to a maximum of 1 and the mean is stored, at the
    finest of their resolutions.

    Args:
        images: One shard of the image store.
        classifiers: Checkpoints of classifiers.
        out: The same shard of the saliency store (HDF5).
        pathologies: Pathologies of the study, in the order of the store.
        threads: CPU threads.
    """
    device = device_for_inference(threads)
    store = Store([images], "images")
    observations = [OBSERVATIONS.index(observation_of(p)) for p in pathologies]
    methods = []
    for path in classifiers:
        model, trained = load_classifier(path)
        method = METHODS[settings.method](evaluation_mode(model, device))
        methods.append((method, positive_outputs(observations, trained.uncertain)))

    def compute(image: Tensor) -> Tensor:
        maps = [method.maps(image, outputs) for method, outputs in methods]
        return maps[0] if len(maps) == 1 else _mean(maps)

    meta = {"classes": list(pathologies), "method": settings.method}
    results = infer(
        compute,
        Unlabelled(store, store.ids),
        batch_size=settings.batch_size,
        device=device,
        threads=threads,
        what="compute-saliency",
    )
    with write_store(out, "saliency", meta) as saliency:
        for cxr_id, maps in zip(store.ids, results, strict=True):
            saliency.append(cxr_id, maps.numpy())
    print(f"Maps of {len(pathologies)} pathologies stored for {len(store)} X-rays.")


def _mean(maps: list[Tensor]) -> Tensor:
    """Mean of maps [B, P, h, w] of several resolutions, each scaled to a maximum of 1."""
    finest = max((entry.shape[-2:] for entry in maps), key=lambda shape: shape[0] * shape[1])
    scaled = [entry / entry.amax((2, 3), keepdim=True).clamp(min=1e-12) for entry in maps]
    resized = [
        torch.nn.functional.interpolate(entry, size=finest, mode="bilinear", align_corners=False)
        for entry in scaled
    ]
    return torch.stack(resized).mean(0)
