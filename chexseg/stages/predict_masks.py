"""Predicts a segmenter's masks of the test X-rays, at their native size."""

from __future__ import annotations

from pathlib import Path

import torch

from chexseg.config.settings import PredictionSettings
from chexseg.data.index import read_index
from chexseg.data.masks import encode, write_masks
from chexseg.files.artifacts import Output
from chexseg.files.store import Store
from chexseg.inference.batching import device_for_inference
from chexseg.inference.probabilities import native_probabilities
from chexseg.models.trained import load_segmenter


def run(
    *,
    index: Path,
    images: tuple[Path, ...],
    checkpoint: Path,
    out: Output,
    settings: PredictionSettings,
    threads: int = 1,
) -> None:
    """Segment the test X-rays of a study.

    Probabilities are resized to the native size of the X-ray before the thresholds, which were
    selected on validation, are applied.

    Args:
        index: The study's index.
        images: The shards of the image store.
        checkpoint: The segmenter.
        out: The masks (CheXlocalize JSON), all pathologies of every test X-ray.
        threads: CPU threads.
    """
    device = device_for_inference(threads)
    test = read_index(index, "test")
    model, trained = load_segmenter(checkpoint)
    thresholds = torch.tensor(trained.extra["thresholds"], device=device)
    masks = {}
    for cxr_id, probability in native_probabilities(
        model, Store(images, "images"), test,
        image_size=trained.extra["image_size"], batch_size=settings.batch_size, device=device,
        threads=threads, what="predict-masks",
    ):  # fmt: skip
        cut = (probability > thresholds[:, None, None]).cpu().numpy()
        masks[cxr_id] = {
            pathology: encode(mask) for pathology, mask in zip(trained.classes, cut, strict=True)
        }
    write_masks(out, masks)
    print(f"{len(masks)} X-rays segmented.")
