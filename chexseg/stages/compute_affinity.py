"""Computes affinity maps: the edges that an IRNet predicts in every X-ray of a shard."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from chexseg.files.artifacts import Output
from chexseg.files.store import Store, write_store
from chexseg.inference.batching import Unlabelled, device_for_inference, evaluation_mode, infer
from chexseg.mask_sources.irnet import AffinitySettings
from chexseg.models.irnet import flip_averaged_edge, for_inference
from chexseg.models.trained import load_irnet


def run(
    *,
    images: Path,
    irnet: Path,
    out: Output,
    settings: AffinitySettings,
    threads: int = 1,
) -> None:
    """Compute the edge map of every X-ray of one shard, averaged over a horizontal flip.

    The affinity of two cells is 1 minus the highest edge on the path between them.

    Args:
        images: One shard of the image store.
        irnet: Checkpoint of the IRNet.
        out: The same shard of the affinity store (HDF5).
        threads: CPU threads.
    """
    device = device_for_inference(threads)
    store = Store([images], "images")
    model = evaluation_mode(for_inference(load_irnet(irnet)), device)

    def compute(image: Tensor) -> Tensor:
        return flip_averaged_edge(model, image)

    results = infer(
        compute,
        Unlabelled(store, store.ids),
        batch_size=settings.batch_size,
        device=device,
        threads=threads,
        what="compute-affinity",
    )
    with write_store(out, "affinity", {}) as affinity:
        for cxr_id, edge in zip(store.ids, results, strict=True):
            affinity.append(cxr_id, edge.numpy())
    print(f"Edge maps stored for {len(store)} X-rays.")
