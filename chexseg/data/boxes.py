"""Boxes that readers drew around findings, and the pixels that they cover.

Corners are x_min, y_min, x_max, y_max in pixels, x to the right and y down. They lie on the edges of
pixels: the box around the first pixel of an image is (0, 0, 1, 1). A pixel is in a box if its centre
is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chexseg.data.images import Letterbox

Corners = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max."""

Fault = tuple[str, str, str]
"""What is wrong with a box: (found, expected, remedy)."""


class Box(NamedTuple):
    """One box, in pixels of the X-ray as its file has them.

    Attributes:
        cxr_id: the X-ray.
        reader: who drew it.
        finding: what it encloses.
        x_min, y_min, x_max, y_max: its corners.
    """

    cxr_id: str
    reader: str
    finding: str
    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def corners(self) -> Corners:
        """The corners alone."""
        return self[3:]


def corners_of(boxes: Sequence[Box]) -> np.ndarray:
    """Returns the corners of boxes, float64 [N, 4]."""
    return np.array([box.corners for box in boxes], dtype=np.float64).reshape(-1, 4)


def find_fault(corners: Sequence[float], height: int, width: int) -> Fault | None:
    """Returns what is wrong with a box of an X-ray of `height` x `width` pixels, or None.

    The first fault counts: a corner that is no number, corners in the wrong order or an empty box,
    a box that reaches outside the X-ray.
    """
    found = ", ".join(f"{value:g}" for value in corners)
    if not np.isfinite(corners).all():
        return found, "four numbers", "Fill in the corners, or delete the row."
    x_min, y_min, x_max, y_max = corners
    for axis, low, high in (("x", x_min, x_max), ("y", y_min, y_max)):
        if low >= high:
            found, expected = f"{axis}_min {low:g} and {axis}_max {high:g}", "the lower one first"
            return found, f"{expected}, and a box that is not empty", "Correct the corners."
    if x_min < 0 or y_min < 0 or x_max > width or y_max > height:
        expected = f"a box inside the X-ray, which is {width} wide and {height} high"
        return found, expected, "Correct the corners, or the size of the X-ray."
    return None


def to_square(corners: np.ndarray, letterbox: Letterbox) -> np.ndarray:
    """Moves boxes from an X-ray into its letterboxed square: float64 [..., 4] -> [..., 4]."""
    scale, shift = _transform(letterbox)
    return np.asarray(corners, np.float64) * scale + shift


def to_native(corners: np.ndarray, letterbox: Letterbox) -> np.ndarray:
    """Moves boxes from the letterboxed square back into the X-ray: the inverse of `to_square`.

    What lies in the padding is cut off; a box that lies in it entirely becomes empty.
    """
    scale, shift = _transform(letterbox)
    most = np.array([letterbox.width, letterbox.height] * 2)
    return ((np.asarray(corners, np.float64) - shift) / scale).clip(0, most)


def _transform(letterbox: Letterbox) -> tuple[np.ndarray, np.ndarray]:
    """Returns scale and shift of x_min, y_min, x_max, y_max; the two scales may differ a little."""
    (height, width), (top, left) = letterbox.inner, letterbox.corner
    scale = np.array([width / letterbox.width, height / letterbox.height] * 2)
    return scale, np.array([left, top] * 2, np.float64)


def box_masks(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns the pixels whose centre is in a box: [N, 4] -> bool [N, height, width].

    A box between two centres covers the row or column of pixels in which its own centre lies, so
    that a small box does not vanish in a small image.
    """
    x_min, y_min, x_max, y_max = np.asarray(corners, np.float64).reshape(-1, 4).T
    rows, columns = _covered(y_min, y_max, height), _covered(x_min, x_max, width)
    return rows[:, :, None] & columns[:, None, :]


def _covered(low: np.ndarray, high: np.ndarray, length: int) -> np.ndarray:
    """Returns which of `length` pixels along an axis are in [low, high): bool [N, length]."""
    centre = np.arange(length) + 0.5
    inside = (centre >= low[:, None]) & (centre < high[:, None])
    nearest = np.floor((low + high) / 2)[:, None] == np.arange(length)
    return np.where(inside.any(1, keepdims=True), inside, nearest)


def area(corners: np.ndarray) -> np.ndarray:
    """Returns the areas of boxes, [..., 4] -> [...]; 0 for a box with corners in the wrong order."""
    sides = np.maximum(corners[..., 2:] - corners[..., :2], 0)
    return sides[..., 0] * sides[..., 1]


def intersection_over_union(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns the IoU of every box with every other: [N, 4], [M, 4] -> [N, M].

    It is 0 if both boxes are empty.
    """
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = area(np.concatenate([low, high], axis=-1))
    union = area(one)[:, None] + area(other)[None] - shared
    return np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
