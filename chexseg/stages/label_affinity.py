"""Makes affinity labels for IRNet: pixels that certainly show a pathology, or certainly do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from chexseg.affinity.labels import affinity_labels
from chexseg.data.index import positives_of, read_index
from chexseg.data.splits import first_of_train
from chexseg.files.artifacts import Output
from chexseg.files.progress import progress
from chexseg.files.store import Store, write_store
from chexseg.inference.batching import batch_of, device_for_inference
from chexseg.mask_sources.irnet import AffinityLabelSettings

BATCH = 16


def run(
    *,
    index: Path,
    images: Path,
    saliency: Path,
    out: Output,
    settings: AffinityLabelSettings,
    train_images: int | None = None,
    threads: int = 1,
) -> None:
    """Label the pixels of the train X-rays of one shard by two dense CRF runs.

    Labels have a quarter of the resolution, as IRNet's branches do. Only pathologies with label 1
    are labelled; all others are unsure (255) everywhere. X-rays for which all pathologies are
    unsure everywhere are omitted.

    Args:
        index: The study's index.
        images: One shard of the image store.
        saliency: The same shard of the saliency store.
        out: The same shard of the affinity label store (HDF5).
        train_images: Label at most this many train X-rays, chosen by a hash; None: all.
        threads: CPU threads.

    Raises:
        InputError: there are fewer train X-rays than `train_images`.
    """
    device = device_for_inference(threads)
    store, maps = Store([images], "images"), Store([saliency], "saliency")
    pathologies = tuple(maps.meta["classes"])
    train = read_index(index, "train")
    train = train.loc[first_of_train(train.index, train_images)]
    train = train[train.index.isin(store.ids)]
    positive = torch.from_numpy(positives_of(train, pathologies))
    counts = np.zeros(2, dtype=np.int64)
    with write_store(out, "affinity_labels", {"classes": list(pathologies)}) as labels:
        starts = range(0, len(train), BATCH)
        for begin in progress(starts, "label-affinity", len(starts)):
            ids = list(train.index[begin : begin + BATCH])
            result = affinity_labels(
                batch_of(store, ids).to(device),
                batch_of(maps, ids).to(device),
                positive[begin : begin + BATCH].to(device),
                **settings.model_dump(),
            )[..., 2::4, 2::4].cpu()
            for cxr_id, label in zip(ids, result.numpy(), strict=True):
                if (label != 255).any():
                    labels.append(cxr_id, label)
            counts += [int((result == 1).sum()), int((result == 0).sum())]
    print(
        f"{len(labels.ids)} of {len(train)} X-rays have labelled pixels:"
        f" {counts[0]} foreground and {counts[1]} background cells."
    )
