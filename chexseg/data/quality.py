"""What makes an X-ray look wrong: cheap signs, for a warning and for nothing more."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 64
"""Side in pixels of the square to which an X-ray is stretched before it is looked at."""

LEAST_CONTRAST = 20
"""Grey levels (of 255) between the 5 % darkest and the 5 % brightest pixels."""

LEAST_INSIDE = 0.6
"""Share of the area inside of borders that are all alike."""

BORDER = 12
"""Grey levels by which the pixels of a border's row or column may differ."""

INVERTED = -0.1
"""Brightness of the mediastinum less that of the lungs, as a share of the contrast."""

_MEDIASTINUM = slice(24, 50), slice(29, 35)
_LUNGS = (slice(16, 40), slice(12, 22)), (slice(16, 40), slice(42, 52))


def flaw_of(image: Image.Image) -> str | None:
    """Says how a frontal X-ray looks wrong, if it does.

    - almost constant: hardly any contrast.
    - inverted: the mediastinum, in the middle, is darker than the lungs beside it.
    - a border: much of the area is rows and columns at the edges that are all alike.

    The limits leave a wide margin: a film's contrast is seldom below 100 grey levels, and its
    mediastinum is brighter than its lungs by more than a fifth of that, with opacities too.

    Args:
        image: the whole X-ray, grey (mode L).
    """
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    values = np.asarray(small, dtype=np.float32)
    dark, bright = np.percentile(values, (5, 95))
    if bright - dark < LEAST_CONTRAST:
        return f"almost constant: {bright - dark:.0f} of 255 grey levels"
    inside = _inside(values)
    if inside < LEAST_INSIDE:
        return f"a border: {1 - inside:.0%} of the area"
    lungs = np.mean([values[lung].mean() for lung in _LUNGS])
    if (values[_MEDIASTINUM].mean() - lungs) / (bright - dark) < INVERTED:
        return "inverted: bright lungs beside a dark mediastinum"
    return None


def _inside(values: np.ndarray) -> float:
    """Returns the share of the area [S, S] that is inside of all borders."""
    shares = []
    for axis in (0, 1):
        varied = np.flatnonzero(np.ptp(values, axis=axis) >= BORDER)
        shares.append((varied[-1] - varied[0] + 1) / SIDE if len(varied) else 0.0)
    return shares[0] * shares[1]
