"""Integrated Gradients of 14 observations: ours against captum, in one process, on one CPU thread.

Both attribute the logits of the same network to the pixels of the same X-ray, from a black baseline,
with Gauss-Legendre quadrature. captum explains one output at a time; it gets the best of several
batch sizes, found on two outputs. Both are timed in core seconds, which do not count what else the
machine does.
"""

from __future__ import annotations

import numpy as np
import torch
from captum.attr import IntegratedGradients as Peer
from comparison import comparison
from small_study import core_seconds
from threads import one_thread

from chexseg.data.layouts.chexpert import FINDINGS
from chexseg.models.classifier import Classifier, build_classifier
from chexseg.saliency.baselines import Black
from chexseg.saliency.integrated_gradients import IntegratedGradients

SIZE = 320
STEPS = 16
BUDGET = 1e9
BATCH_SIZES = (1, 2, 4)
BAR = 3.0
TOLERANCE = 1e-4
ARCHITECTURE = "densenet121"
OUTPUTS = list(range(len(FINDINGS)))


def peer_maps(peer: Peer, image: torch.Tensor, outputs: list[int], batch_size: int) -> np.ndarray:
    """Returns [outputs, SIZE, SIZE]."""
    maps = [
        peer.attribute(image, target=output, n_steps=STEPS, internal_batch_size=batch_size)
        for output in outputs
    ]
    return torch.cat(maps)[:, 0].numpy()


def best_batch_size(peer: Peer, image: torch.Tensor) -> int:
    """Returns the batch size with which the peer takes the fewest core seconds."""
    seconds = {}
    for batch_size in BATCH_SIZES:
        start = core_seconds()
        peer_maps(peer, image, OUTPUTS[:2], batch_size)
        seconds[batch_size] = core_seconds() - start
    return min(seconds, key=seconds.get)


@one_thread()
def rows() -> list[dict]:
    """Returns the row of the table."""
    return [compare()]


def compare() -> dict:
    """Returns seconds per X-ray of both, and the largest difference of their attributions."""
    torch.manual_seed(0)
    classifier: Classifier = build_classifier(ARCHITECTURE, len(FINDINGS))
    classifier.eval().requires_grad_(False)
    image = torch.rand(1, 1, SIZE, SIZE)
    peer = Peer(classifier)
    batch_size = best_batch_size(peer, image)
    start = core_seconds()
    explainer = IntegratedGradients(classifier, baseline=Black(), steps=STEPS, budget=BUDGET)
    ours = explainer.maps(image, OUTPUTS)[0].numpy()
    middle = core_seconds()
    theirs = peer_maps(peer, image, OUTPUTS, batch_size)
    end = core_seconds()
    return comparison(
        f"Integrated Gradients, {ARCHITECTURE}, {len(OUTPUTS)} observations, {SIZE} px, "
        f"{STEPS} steps, core seconds per X-ray",
        f"captum, best of batch sizes {BATCH_SIZES}",
        ours_seconds=middle - start,
        peer_seconds=end - middle,
        difference=float(np.abs(ours - theirs).max()),
        most_difference=TOLERANCE,
        least_ratio=BAR,
    )


if __name__ == "__main__":
    for row in rows():
        print(row)
