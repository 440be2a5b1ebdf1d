"""Grad-CAM of ten pathologies: ours against pytorch-grad-cam, in one process, on one CPU thread.

Both make maps in [0, 1] at the size of the X-ray, from the same network and images. The peer runs
a forward and a backward pass per X-ray and pathology; it gets the best of several batch sizes.
Both are timed in core seconds, which do not count what else the machine does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytorch_grad_cam
import torch
from comparison import comparison
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from small_study import core_seconds
from threads import one_thread

from chexseg.data.layouts.chexpert import FINDINGS, PATHOLOGIES
from chexseg.models.classifier import Classifier, build_classifier
from chexseg.saliency.gradcam import GradCAM

SIZE = 320
IMAGES = 4
BATCH_SIZES = (1, 2, 4)
BAR = 20.0
TOLERANCE = 1e-4
LAYERS = {"densenet121": "features.norm5", "resnet18": "layer4"}
OUTPUTS = [FINDINGS.index(pathology) for pathology in PATHOLOGIES]


def our_maps(gradcam: GradCAM, images: torch.Tensor, batch_size: int) -> np.ndarray:
    """Returns [images, pathologies, SIZE, SIZE], scaled as the peer scales: before and after."""
    raw = torch.cat([gradcam.maps(batch, OUTPUTS) for batch in images.split(batch_size)])
    scaled = scale_cam_image(scale_cam_image(raw.flatten(0, 1).numpy(), (SIZE, SIZE)))
    return scaled.reshape(len(images), len(OUTPUTS), SIZE, SIZE)


def peer_maps(cam: pytorch_grad_cam.GradCAM, images: torch.Tensor, batch_size: int) -> np.ndarray:
    """Returns [images, pathologies, SIZE, SIZE]."""
    maps = [
        [cam(batch, [ClassifierOutputTarget(output)] * len(batch)) for output in OUTPUTS]
        for batch in images.split(batch_size)
    ]
    return np.concatenate([np.stack(batch, axis=1) for batch in maps])


def fastest(compute: Callable[[int], np.ndarray]) -> tuple[float, np.ndarray]:
    """Returns the core seconds of the fastest batch size, and the maps."""
    seconds = []
    for batch_size in BATCH_SIZES:
        start = core_seconds()
        maps = compute(batch_size)
        seconds.append(core_seconds() - start)
    return min(seconds), maps


def compare(architecture: str) -> dict:
    """Returns one row: seconds per X-ray of both, and the largest difference of their maps."""
    torch.manual_seed(0)
    classifier: Classifier = build_classifier(architecture, len(FINDINGS)).eval()
    images = torch.rand(IMAGES, 1, SIZE, SIZE)
    gradcam = GradCAM(classifier)
    layer = classifier.backbone.get_submodule(LAYERS[architecture])
    ours_seconds, ours = fastest(lambda batch_size: our_maps(gradcam, images, batch_size))
    with pytorch_grad_cam.GradCAM(classifier, [layer]) as cam:
        peer_seconds, theirs = fastest(lambda batch_size: peer_maps(cam, images, batch_size))
    occupied = (ours.max((2, 3)) > 0) | (theirs.max((2, 3)) > 0)
    if not occupied.any():
        raise RuntimeError("all maps are empty: nothing was compared")
    return comparison(
        f"Grad-CAM, {architecture}, {len(OUTPUTS)} pathologies, {SIZE} px, core seconds per X-ray",
        f"pytorch-grad-cam, best of batch sizes {BATCH_SIZES}",
        ours_seconds=ours_seconds / IMAGES,
        peer_seconds=peer_seconds / IMAGES,
        difference=float(np.abs(ours - theirs)[occupied].max()),
        most_difference=TOLERANCE,
        least_ratio=BAR,
    )


@one_thread()
def rows() -> list[dict]:
    """Returns one row per architecture."""
    return [compare(architecture) for architecture in LAYERS]


if __name__ == "__main__":
    for row in rows():
        print(row)
