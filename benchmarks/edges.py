"""Edge maps of an IRNet: the network for inference against the one that was trained.

The peer is what `compute-affinity` did before: both branches, batch normalisation apart, and torch's
choice of kernels, which for small batches on one thread is a slow one. Both take the best of several
batch sizes, in one process, on one thread, in core seconds.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from comparison import comparison
from dense_walk import smooth
from small_study import core_seconds
from threads import one_thread
from torch import Tensor

from chexseg.affinity.random_walk import random_walk
from chexseg.mask_sources.irnet import WalkSettings
from chexseg.models.irnet import IRNet, flip_averaged_edge, for_inference
from chexseg.models.trained import irnet_of
from chexseg.saliency.masks import cut

SIZE = 320
X_RAYS = 16
BATCH_SIZES = (4, 16)
BACKBONE = "resnet50"
PATHOLOGIES = 10
BAR, TOLERANCE, DISAGREEMENT = 2.0, 1e-3, 1e-3


@torch.no_grad()
def usual_edge(model: IRNet, image: Tensor) -> Tensor:
    """Returns the edges of images, averaged over a flip, from all that the network computes."""
    logits, _ = model(image)
    mirrored, _ = model(image.flip(-1))
    return ((logits + mirrored.flip(-1)) / 2).sigmoid()[:, 0]


def best(edge_of: Callable[[Tensor], Tensor], images: Tensor) -> tuple[float, Tensor]:
    """Returns the core seconds per X-ray of the best batch size, and the edges."""
    edge_of(images[:1])
    seconds = []
    for batch_size in BATCH_SIZES:
        start = core_seconds()
        edges = torch.cat([edge_of(batch) for batch in images.split(batch_size)])
        seconds.append((core_seconds() - start) / len(images))
    return min(seconds), edges


def masks_of(edge: Tensor) -> Tensor:
    """Returns the masks of ten blurred maps of each X-ray, walked up to the edges."""
    settings = WalkSettings()
    walk = settings.model_dump(exclude={"background"})
    generator = torch.Generator().manual_seed(1)
    maps = smooth(len(edge) * PATHOLOGIES, 10, edge.shape[-1], generator)
    maps = maps.reshape(len(edge), PATHOLOGIES, *edge.shape[1:])
    positive = torch.ones(maps.shape[:2], dtype=torch.bool)
    return cut(random_walk(maps, edge, **walk), positive, size=SIZE, threshold=settings.background)


def compare(x_rays: int = X_RAYS) -> list[dict]:
    """Returns a row for the edges, and one for the masks that are made from them."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = irnet_of(BACKBONE).eval().requires_grad_(False)
    faster = for_inference(model)
    images = smooth(x_rays, 20, SIZE, generator)[:, None]
    images = (0.2 + 0.6 * images + 0.05 * torch.randn(images.shape, generator=generator)).clamp(
        0, 1
    )
    ours_seconds, edges = best(lambda batch: flip_averaged_edge(faster, batch), images)
    peer_seconds, expected = best(lambda batch: usual_edge(model, batch), images)
    if edges.std() < 1e-3:
        raise RuntimeError("edges are equal everywhere: nothing was compared")
    masks, truth = masks_of(edges), masks_of(expected)
    seconds = {"ours_seconds": ours_seconds, "peer_seconds": peer_seconds, "least_ratio": BAR}
    work = f"edge maps, {BACKBONE}, {SIZE} px, core seconds per X-ray"
    peer = f"the network that was trained, best of batch sizes {BATCH_SIZES}"
    return [
        comparison(
            work, peer, difference=float((edges - expected).abs().max()), most_difference=TOLERANCE,
            **seconds,
        ),
        comparison(
            f"{work}; max_abs_diff is the share of mask pixels that differ", peer,
            difference=float((masks != truth).float().mean()), most_difference=DISAGREEMENT,
            **seconds,
        ),
    ]  # fmt: skip


@one_thread()
def rows() -> list[dict]:
    """Returns the rows of the table."""
    return compare()


if __name__ == "__main__":
    for row in rows():
        print(row)
