"""Computes saliency maps: a map per class for every X-ray of a shard."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from chexseg import catalog
from chexseg.config.settings import Settings
from chexseg.files.artifacts import Output
from chexseg.files.store import Store, write_store
from chexseg.inference.batching import Unlabelled, device_for_inference, evaluation_mode, infer
from chexseg.losses.classification import positive_outputs
from chexseg.models.trained import load_classifier, places_of
from chexseg.saliency.averaged import averaged


def run(
    *,
    images: Path,
    classifiers: tuple[Path, ...],
    out: Output,
    method: str,
    settings: Settings,
    classes: tuple[str, ...],
    threads: int = 1,
) -> None:
    """Compute the saliency maps of one shard.

    Maps are raw: at the resolution of the classifier's features, unscaled, and independent of
    labels. With several classifiers, each map is scaled to a maximum of 1, and the mean is stored
    at the finest of their resolutions.

    Args:
        images: One shard of the image store.
        classifiers: Checkpoints of classifiers.
        out: The same shard of the saliency store (HDF5).
        method: Saliency method, as in the section `saliency` of the config.
        classes: Classes to explain, in the order of the store; every classifier must have them
            among its findings.
        threads: CPU threads.
    """
    device = device_for_inference(threads)
    store = Store([images], "images")
    make, explainers = catalog.load("saliency", method).explainer, []
    for path in classifiers:
        model, trained, findings = load_classifier(path)
        outputs = positive_outputs(places_of(classes, findings, path), trained.uncertain)
        explainer = make(settings, evaluation_mode(model, device))
        explainer = averaged(explainer, flip=settings.flip, scales=settings.scales)
        explainers.append((explainer, outputs))

    def compute(image: Tensor) -> Tensor:
        maps = [explainer.maps(image, outputs) for explainer, outputs in explainers]
        return maps[0] if len(maps) == 1 else _mean(maps)

    meta = {"classes": list(classes), "method": method}
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
    print(f"Maps of {len(classes)} classes stored for {len(store)} X-rays.")


def _mean(maps: list[Tensor]) -> Tensor:
    """Returns the mean of maps [B, P, h, w] of several resolutions, each scaled to at most 1."""
    finest = max((entry.shape[-2:] for entry in maps), key=lambda shape: shape[0] * shape[1])
    scaled = [entry / entry.abs().amax((2, 3), keepdim=True).clamp(min=1e-12) for entry in maps]
    resized = [
        torch.nn.functional.interpolate(entry, size=finest, mode="bilinear", align_corners=False)
        for entry in scaled
    ]
    return torch.stack(resized).mean(0)
