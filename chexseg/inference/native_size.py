"""Resizes probability maps to the native size of an X-ray: the inverse of the letterbox."""

from __future__ import annotations

import torch
from torch import Tensor

from chexseg.data.images import Letterbox


def to_native_size(letterbox: Letterbox, maps: Tensor) -> Tensor:
    """Resizes maps to the native size of an image: float [P, size, size] -> [P, height, width].

    Interpolation is bilinear, with pixel centres aligned. If image and square have the same scale,
    the result is exactly the inverse of the letterbox.
    """
    rows, columns = letterbox.inside
    inner = maps[:, rows, columns]
    if inner.shape[-2:] == (letterbox.height, letterbox.width):
        return inner.clone()
    return torch.nn.functional.interpolate(
        inner[None], size=(letterbox.height, letterbox.width), mode="bilinear", align_corners=False
    )[0]
