"""Predicts a segmenter's masks of the test X-rays, at their native size."""

from __future__ import annotations

from pathlib import Path

import torch

from chexseg.config.settings import PredictionSettings
from chexseg.data.images import Letterbox
from chexseg.data.index import read_index
from chexseg.data.masks import encode, write_masks
from chexseg.files.artifacts import Output
from chexseg.files.store import Store
from chexseg.inference.batching import Unlabelled, device_for_inference, evaluation_mode, infer
from chexseg.inference.native_size import to_native_size
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
    model = evaluation_mode(model, device)
    results = infer(
        lambda image: model(image).float().sigmoid(),
        Unlabelled(Store(images, "images"), test.index),
        batch_size=settings.batch_size,
        device=device,
        threads=threads,
        what="predict-masks",
    )
    thresholds = torch.tensor(trained.extra["thresholds"])
    masks = {}
    for (cxr_id, row), probability in zip(test.iterrows(), results, strict=True):
        letterbox = Letterbox(row.height, row.width, trained.extra["image_size"])
        native = to_native_size(letterbox, probability)
        cut = (native > thresholds[:, None, None]).numpy()
        masks[cxr_id] = {
            pathology: encode(mask) for pathology, mask in zip(trained.classes, cut, strict=True)
        }
    write_masks(out, masks)
    print(f"{len(masks)} X-rays segmented.")
