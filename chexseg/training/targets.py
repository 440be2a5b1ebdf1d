"""Masks as targets of a training: certain ones, soft ones, and pixels of which nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from chexseg.data.levels import levels_of
from chexseg.files.store import Store
from chexseg.files.store_format import CERTAIN, UNKNOWN


class Levels:
    """Reads masks of a store as levels (see `chexseg.data.levels`): a target of `Source`.

    Args:
        store: of certain masks or of levels.
        left_out: numbers of classes of which these masks teach nothing.
    """

    def __init__(self, store: Store, left_out: Sequence[int] = ()):
        self.store, self.left_out = store, list(left_out)

    def __call__(self, cxr_id: str) -> np.ndarray:
        masks = self.store[cxr_id]
        levels = levels_of(masks) if masks.dtype == bool else masks
        if self.left_out:
            levels = levels.copy()
            levels[self.left_out] = UNKNOWN
        return levels


def unpack(masks: Tensor) -> tuple[Tensor, Tensor | None]:
    """Separates a batch of masks into what is known and how well.

    Args:
        masks: [B, P, S, S], bool, or uint8 levels.

    Returns:
        Truth, float in [0, 1], 0 where it is not known; and float 1 where it is known and 0
        elsewhere, or None if all is.
    """
    if masks.dtype == torch.bool:
        return masks.float(), None
    known = (masks != UNKNOWN).float()
    return masks.float() / CERTAIN * known, known
