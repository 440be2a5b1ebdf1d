"""Cheap checks for X-rays that look wrong; they only lead to a warning."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 64
"""Side in pixels of the square to which an X-ray is stretched before it is checked."""

LEAST_CONTRAST = 20
"""Minimum number of grey levels (of 255) between the 5th and 95th percentile of pixels."""

LEAST_RANGE = 0.4
"""Minimum share of the grey levels between the darkest and the brightest pixel."""

LEAST_INSIDE = 0.6
"""Minimum share of the area that is inside uniform borders."""

BORDER = 12
"""A row or column whose grey levels span less than this belongs to a border."""

INVERTED = -0.1
"""Minimum brightness of the mediastinum minus that of the lungs, as a share of the contrast."""

_MEDIASTINUM = slice(24, 50), slice(29, 35)
_LUNGS = (slice(16, 40), slice(12, 22)), (slice(16, 40), slice(42, 52))


def flaw_of(image: Image.Image) -> str | None:
    """Returns a description of what looks wrong with a frontal X-ray, or None.

    - almost constant: hardly any contrast.
    - flat: most of the range of grey levels is unused.
    - inverted: the mediastinum, in the middle, is darker than the lungs on either side.
    - a border: much of the area consists of uniform rows and columns at the edges.

    The limits leave a wide margin: a film's contrast is seldom below 100 grey levels, it uses half of
    them or more (at least 130 of 255 in 100 real X-rays), and its
    mediastinum is brighter than its lungs by more than a fifth of that, even with opacities.

    Args:
        image: the whole X-ray, grey (mode L).
    """
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    values = np.asarray(small, dtype=np.float32)
    dark, bright = np.percentile(values, (5, 95))
    if bright - dark < LEAST_CONTRAST:
        return f"almost constant: {bright - dark:.0f} of 255 grey levels"
    lowest, highest = values.min(), values.max()
    if highest - lowest < LEAST_RANGE * 255:
        return f"flat: grey levels {lowest:.0f} to {highest:.0f} of 255, so most of them are unused"
    inside = _inside(values)
    if inside < LEAST_INSIDE:
        return f"a border: {1 - inside:.0%} of the area"
    lungs = np.mean([values[lung].mean() for lung in _LUNGS])
    if (values[_MEDIASTINUM].mean() - lungs) / (bright - dark) < INVERTED:
        return "inverted: bright lungs next to a dark mediastinum"
    return None


def _inside(values: np.ndarray) -> float:
    """Returns the share of the area of `values` [S, S] that is inside all borders."""
    shares = []
    for axis in (0, 1):
        varied = np.flatnonzero(np.ptp(values, axis=axis) >= BORDER)
        shares.append((varied[-1] - varied[0] + 1) / SIDE if len(varied) else 0.0)
    return shares[0] * shares[1]
