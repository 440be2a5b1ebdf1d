"""A second reader, who redraws the truth with an unsteady hand and sometimes misses something."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from chexseg.data.phantom.geometry import Mask, smooth_field

_MISS = {"Support Devices": 0.1, "Lung Lesion": 0.12, "Pneumothorax": 0.12, "Atelectasis": 0.1}
"""Probability that the reader misses a pathology; 0.05 for all others."""


def second_reading(rng: np.random.Generator, masks: dict[str, Mask]) -> dict[str, Mask]:
    """Returns the masks of a second reader, bool [H, W] each; a missed pathology is all False.

    Boundaries are moved by a smooth random displacement, and the whole mask is drawn generously or
    tightly. Thin devices move less, since a hand can follow a line.
    """
    read = {}
    for pathology, mask in masks.items():
        thin = pathology == "Support Devices"
        size = min(mask.shape)
        sway = size * (0.006 if thin else rng.uniform(0.012, 0.025))
        offsets = [sway * smooth_field(rng, mask.shape, 9) for _ in range(2)]
        threshold = rng.uniform(0.3, 0.6) if thin else rng.uniform(0.25, 0.75)
        missed = rng.random() < _MISS.get(pathology, 0.05)
        if missed:
            read[pathology] = np.zeros_like(mask)
            continue
        places = np.indices(mask.shape) + offsets
        soft = gaussian_filter(mask.astype(np.float32), 0.004 * size if thin else 0.018 * size)
        read[pathology] = map_coordinates(soft, places, order=1, mode="nearest") > threshold
    return read
