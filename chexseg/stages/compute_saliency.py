"""Computes saliency maps: a map per class for every X-ray of a shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from chexseg import catalog
from chexseg.config.settings import Settings
from chexseg.files.artifacts import Inputs, Output
from chexseg.files.store import Store, write_store
from chexseg.inference.batching import Unlabelled, device_for_inference, evaluation_mode, infer
from chexseg.losses.classification import positive_outputs
from chexseg.models.trained import load_classifier, places_of
from chexseg.saliency.averaged import averaged
from chexseg.saliency.explainer import Explanation, mean_of


def run(
    *,
    images: Path,
    classifiers: tuple[Path, ...],
    inputs: Inputs,
    out: Output,
    method: str,
    settings: Settings,
    classes: tuple[str, ...],
    threads: int = 1,
) -> None:
    """Compute the saliency maps of one shard.

    Maps are raw: at the resolution of the method, unscaled, and independent of labels. With several
    classifiers, each map is scaled to a maximum of 1, and the mean is stored at the finest of their
    resolutions. What a method measures of each map is stored beside it, under `measures`.

    Args:
        images: One shard of the image store.
        classifiers: Checkpoints of classifiers.
        inputs: The files that the method reads.
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
        explainer = make(settings, evaluation_mode(model, device), inputs)
        explainer = averaged(explainer, flip=settings.flip, scales=settings.scales)
        explainers.append((explainer, outputs))

    names: list[str] = []

    def compute(image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = [explainer.explain(image, outputs) for explainer, outputs in explainers]
        result = found[0] if len(found) == 1 else _mean(found)
        names[:] = result.measures
        return result.maps, *result.measures.values()

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
        for cxr_id, (maps, *measured) in zip(store.ids, results, strict=True):
            measures = zip(names, (each.numpy() for each in measured), strict=True)
            saliency.append(cxr_id, maps.numpy(), dict(measures))
    print(f"Maps of {len(classes)} classes stored for {len(store)} X-rays.")
    for name in names:
        values = np.stack([each[name] for each in saliency.measures])
        middle, high = np.quantile(values, (0.5, 0.95))
        print(f"{name}: median {middle:.3g}, 95 % at most {high:.3g}, highest {values.max():.3g}")


def _mean(found: list[Explanation]) -> Explanation:
    """Returns the mean of maps of several resolutions, each scaled to at most 1."""
    grids = [each.maps.shape[-2:] for each in found]
    finest = max(grids, key=lambda shape: shape[0] * shape[1])
    alike = []
    for each in found:
        scaled = each.maps / each.maps.abs().amax((2, 3), keepdim=True).clamp(min=1e-12)
        resized = torch.nn.functional.interpolate(
            scaled, size=finest, mode="bilinear", align_corners=False
        )
        alike.append(Explanation(resized, each.measures))
    return mean_of(alike)
