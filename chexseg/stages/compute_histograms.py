"""Computes histograms of a segmenter's probabilities for the test X-rays."""

from __future__ import annotations

from pathlib import Path

import torch

from chexseg.config.settings import PredictionSettings
from chexseg.data.index import read_index
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.data.masks import decode, read_masks
from chexseg.evaluation.histograms import EDGES, count_pixels
from chexseg.files.artifacts import Output
from chexseg.files.store import Store, write_store
from chexseg.inference.batching import device_for_inference
from chexseg.inference.probabilities import native_probabilities
from chexseg.models.trained import load_segmenter, places_of


def run(
    *,
    index: Path,
    images: tuple[Path, ...],
    truth: Path,
    checkpoint: Path,
    out: Output,
    settings: PredictionSettings,
    pathologies: tuple[str, ...] = PATHOLOGIES,
    threads: int = 1,
) -> None:
    """Count the pixels of the test X-rays in ranges of probabilities, inside the truth and outside.

    Probabilities are those of `chexseg predict-masks`, at the native size of the X-ray. They serve
    metrics that need no tuned threshold; nothing that learns or chooses may read them.

    Args:
        index: The study's index.
        images: The shards of the image store.
        truth: Expert masks (CheXlocalize JSON); an X-ray without an entry has empty masks.
        checkpoint: The segmenter.
        out: The histograms (HDF5), of every test X-ray.
        pathologies: Pathologies to count; the segmenter may have other classes, too.
        threads: CPU threads.

    Raises:
        InputError: lists everything wrong with the masks, or the segmenter lacks a pathology.
    """
    device = device_for_inference(threads)
    test = read_index(index, "test")
    model, trained = load_segmenter(checkpoint)
    sizes = dict(zip(test.index, zip(test["height"], test["width"], strict=True), strict=True))
    places = places_of(pathologies, trained.classes, checkpoint)
    masks = read_masks(truth, pathologies=pathologies, sizes=sizes)
    meta = {"classes": list(pathologies), "edges": list(EDGES)}
    with write_store(out, "histograms", meta) as histograms:
        for cxr_id, probability in native_probabilities(
            model, Store(images, "images"), test,
            image_size=trained.extra["image_size"], batch_size=settings.batch_size, device=device,
            threads=threads, what="compute-histograms",
        ):  # fmt: skip
            drawn = masks.get(cxr_id, {})
            counts = []
            for pathology, place in zip(pathologies, places, strict=True):
                of_class = probability[place].cpu()
                inside = torch.zeros(of_class.shape, dtype=torch.bool)
                if pathology in drawn:
                    inside = torch.from_numpy(decode(drawn[pathology]))
                counts.append(count_pixels(of_class[None, None], inside[None, None])[0, 0])
            histograms.append(cxr_id, torch.stack(counts).numpy())
    print(f"Histograms of {len(pathologies)} pathologies stored for {len(test)} X-rays.")
