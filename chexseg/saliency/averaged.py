"""The mean of a method's maps over flips and scales of the image."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import interpolate

from chexseg.saliency.explainer import Explainer

STEP = 32
"""Sides of scaled images are multiples of so many pixels, as networks halve them five times."""


def averaged(explainer: Explainer, *, flip: bool, scales: Sequence[float]) -> Explainer:
    """Returns an explainer of the mean map over flips and scales; without either, the same one."""
    if not flip and tuple(scales) == (1,):
        return explainer
    return Averaged(explainer, flip=flip, scales=scales)


class Averaged(Explainer):
    """Averages the maps that a method gives for flipped and scaled copies of an image.

    As in the multi-scale CAM of IRN (Ahn et al., CVPR 2019, `make_cam.py`), maps are summed as
    they are, not each scaled by its own maximum: a copy in which the classifier sees little counts
    little. IRN's CAM leaves out the division by the number of cells that the pooling of the
    network does; so maps of a scaled image are multiplied by how many more cells they have.

    The map of a flipped image is flipped back. Maps of scaled images are resized to the grid of
    the unscaled image (bilinear, with antialiasing where they shrink).

    Args:
        explainer: gives the maps of one image.
        flip: take the horizontally flipped image, too.
        scales: factors of the side, 1 among them; sides are rounded to multiples of STEP.
    """

    def __init__(self, explainer: Explainer, *, flip: bool, scales: Sequence[float]):
        super().__init__(explainer.classifier)
        self.explainer, self.flip, self.scales = explainer, flip, scales

    def raw_maps(self, image: Tensor, outputs: list[int]) -> Tensor:
        total = self._flipped_too(image, outputs)
        grid, cells = total.shape[-2:], total[0, 0].numel()
        for scale in self.scales:
            if scale != 1:
                maps = self._flipped_too(_scaled(image, scale), outputs)
                more = maps[0, 0].numel() / cells
                total = total + more * _resized(maps, grid)
        return total / len(self.scales)

    def _flipped_too(self, image: Tensor, outputs: list[int]) -> Tensor:
        maps = self.explainer.raw_maps(image, outputs).float()
        if not self.flip:
            return maps
        return (maps + self.explainer.raw_maps(image.flip(-1), outputs).float().flip(-1)) / 2


def _scaled(image: Tensor, scale: float) -> Tensor:
    sides = [max(STEP, STEP * round(side * scale / STEP)) for side in image.shape[-2:]]
    return _resized(image, sides)


def _resized(values: Tensor, size: Sequence[int]) -> Tensor:
    return interpolate(
        values, size=tuple(size), mode="bilinear", align_corners=False, antialias=True
    )
