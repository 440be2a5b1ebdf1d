"""The mean of a method's maps over flips and scales of the image."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import interpolate

from chexseg.saliency.explainer import Explainer, Explanation, mean_of

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
    the unscaled image (bilinear, with antialiasing where they shrink). Measures of the maps are
    averaged.

    Args:
        explainer: gives the maps of one image.
        flip: take the horizontally flipped image, too.
        scales: factors of the side, 1 among them; sides are rounded to multiples of STEP.
    """

    def __init__(self, explainer: Explainer, *, flip: bool, scales: Sequence[float]):
        super().__init__(explainer.classifier)
        self.explainer, self.flip, self.scales = explainer, flip, scales

    def raw_maps(self, image: Tensor, outputs: list[int]) -> Tensor:
        return self.raw_explanation(image, outputs).maps

    def raw_explanation(self, image: Tensor, outputs: list[int]) -> Explanation:
        copies = [self._flipped_too(image, outputs)]
        grid, cells = copies[0].maps.shape[-2:], copies[0].maps[0, 0].numel()
        for scale in self.scales:
            if scale != 1:
                found = self._flipped_too(_scaled(image, scale), outputs)
                more = found.maps[0, 0].numel() / cells
                copies.append(Explanation(more * _resized(found.maps, grid), found.measures))
        return mean_of(copies)

    def _flipped_too(self, image: Tensor, outputs: list[int]) -> Explanation:
        found = _in_float(self.explainer.raw_explanation(image, outputs))
        if not self.flip:
            return found
        mirrored = _in_float(self.explainer.raw_explanation(image.flip(-1), outputs))
        return mean_of([found, Explanation(mirrored.maps.flip(-1), mirrored.measures)])


def _in_float(found: Explanation) -> Explanation:
    return Explanation(found.maps.float(), found.measures)


def _scaled(image: Tensor, scale: float) -> Tensor:
    sides = [max(STEP, STEP * round(side * scale / STEP)) for side in image.shape[-2:]]
    return _resized(image, sides)


def _resized(values: Tensor, size: Sequence[int]) -> Tensor:
    return interpolate(
        values, size=tuple(size), mode="bilinear", align_corners=False, antialias=True
    )
