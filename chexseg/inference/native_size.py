"""Probability maps at the X-ray's own size: the inverse of the letterbox."""

from __future__ import annotations

import torch
from torch import Tensor

from chexseg.data.images import Letterbox


def to_native_size(letterbox: Letterbox, maps: Tensor) -> Tensor:
    """Returns maps at the image's own size: float [P, size, size] -> [P, height, width].

    Bilinear, with pixel centres aligned. Where image and square have the same scale, this is
    exactly the inverse of the letterbox.
    """
    rows, columns = letterbox.inside
    inner = maps[:, rows, columns]
    if inner.shape[-2:] == (letterbox.height, letterbox.width):
        return inner.clone()
    return torch.nn.functional.interpolate(
        inner[None], size=(letterbox.height, letterbox.width), mode="bilinear", align_corners=False
    )[0]
