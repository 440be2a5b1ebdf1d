"""The film: exposure, blur, noise, collimation and lead letters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from chexseg.data.phantom.geometry import Map, smooth_field

_LETTERS = {
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
}


def expose(rng: np.random.Generator, scale: float, matter: Map) -> NDArray[np.uint8]:
    """Converts the matter that rays cross into grey values, uint8 [H, W]; more matter is whiter.

    Args:
        rng: source of exposure, contrast, blur and noise.
        scale: pixels per unit of length.
        matter: path lengths, about 0 for air and 1 for the abdomen, [H, W].
    """
    low, high = rng.uniform(-0.03, 0.12), rng.uniform(0.98, 1.2)
    matter = matter + rng.uniform(0, 0.03) * smooth_field(rng, matter.shape, 2)
    film = np.clip((matter - low) / (high - low), 0, 1.4) ** rng.uniform(0.85, 1.35)
    film = (1 - np.exp(-1.5 * film**1.35)) / (1 - np.exp(-1.5))
    film = rng.uniform(0.0, 0.06) + rng.uniform(0.82, 0.97) * film
    film = gaussian_filter(film, rng.uniform(0.25, 0.6) + 0.002 * scale)
    noise = rng.standard_normal(matter.shape, dtype=np.float32)
    noise = gaussian_filter(noise, 0.55) * rng.uniform(0.01, 0.035)
    return np.rint(255 * np.clip(film + noise * (0.5 + 0.5 * film), 0, 1)).astype(np.uint8)


def burn_in(rng: np.random.Generator, image: NDArray[np.uint8], marker: str) -> NDArray[np.uint8]:
    """Adds a lead letter and, sometimes, the black border of a collimator.

    The letter is on the side of the image that it marks: 'L' on the right.
    """
    image = image.copy()
    height, width = image.shape
    if rng.random() < 0.2:
        border = rng.integers(0, 1 + round(0.05 * min(height, width)), 4)
        image[: border[0]] = image[height - border[1] :] = 6
        image[:, : border[2]] = image[:, width - border[3] :] = 6
    if marker and rng.random() < 0.6:
        pixel = max(1, round(min(height, width) * rng.uniform(0.007, 0.012)))
        letter = np.array([[int(bit) for bit in row] for row in _LETTERS[marker]], dtype=bool)
        letter = np.kron(letter, np.ones((pixel, pixel), dtype=bool))
        top = round(rng.uniform(0.04, 0.2) * height)
        inset = round(rng.uniform(0.03, 0.06) * width)
        left = width - inset - letter.shape[1] if marker == "L" else inset
        image[top : top + letter.shape[0], left : left + letter.shape[1]][letter] = 250
    return image
