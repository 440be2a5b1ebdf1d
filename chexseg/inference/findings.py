"""What a person wants to know of a predicted mask in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

HALF = 0.1
"""Minimum share of a mask in one half of the X-ray, so that it counts as being there."""


def describe(mask: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Returns numbers about the mask of a pathology on an X-ray.

    Args:
        mask: bool [H, W].
        probability: [H, W].

    Returns:
        - area: pixels of the mask.
        - share: of the X-ray.
        - probability: the highest of any pixel.
        - side: the half of the *image* that holds the mask: left, right, both, or empty; a column in
          the middle belongs to both. On a frontal
          X-ray, the left half of the image is the patient's right.
        - uncertainty: mean entropy in bits of the pixels of the mask, or, if it is empty, of the pixel
          with the highest probability; 0 is certain, 1 is a probability of one half.
    """
    height, width = mask.shape
    area = int(mask.sum())
    highest = float(probability.max())
    halves = {"left": mask[:, : (width + 1) // 2], "right": mask[:, width // 2 :]}
    held = [side for side, half in halves.items() if area and half.sum() >= HALF * area]
    return {
        "area": area,
        "share": area / (height * width),
        "probability": highest,
        "side": "both" if len(held) == 2 else "".join(held),
        "uncertainty": float(entropy(probability[mask] if area else np.array([highest])).mean()),
    }


def entropy(probability: np.ndarray) -> np.ndarray:
    """Returns the entropy of probabilities, in bits: 0 at 0 and 1, and 1 at one half."""
    p = np.clip(probability.astype(np.float64), 1e-12, 1 - 1e-12)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
