"""Masks as levels: one byte per pixel for a probability, or for not knowing."""

from __future__ import annotations

import numpy as np

from chexseg.files.store_format import CERTAIN, UNKNOWN


def levels_of(value: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """Returns masks as levels: uint8, 0 to CERTAIN for probabilities 0 to 1, UNKNOWN elsewhere.

    Args:
        value: probabilities in [0, 1], or bool, of any shape.
        known: bool, of a shape that broadcasts to it; None: all is known.
    """
    levels = np.rint(np.asarray(value, np.float32) * CERTAIN).astype(np.uint8)
    return levels if known is None else np.where(known, levels, np.uint8(UNKNOWN))


def certain_masks(masks: np.ndarray) -> np.ndarray:
    """Returns masks, bool or levels, as bool: the pixels that more likely than not belong."""
    return masks if masks.dtype == bool else (masks > CERTAIN / 2) & (masks != UNKNOWN)
