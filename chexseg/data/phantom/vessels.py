"""The vessels of the lungs: two trees that branch from the hila."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from chexseg.data.phantom.geometry import Map, Pose, splat

_STEPS = 14


def vessel_tree(rng: np.random.Generator, pose: Pose) -> Map:
    """Returns the path length through the lungs' vessels and hila, about 0..0.3, [H, W].

    Branches are sampled as points, spread over the pixels and blurred by their calibre, so that
    thousands of vessels take only a few Gaussian filters.
    """
    density = np.zeros(pose.shape, dtype=np.float32)
    trunks = 11
    side = np.repeat([-1.0, 1.0], trunks)
    angle = np.tile(np.linspace(-1.35, 1.4, trunks), 2) + rng.normal(0, 0.12, 2 * trunks)
    start = np.stack(
        [side * rng.normal(0.17, 0.02, side.size), rng.normal(-0.03, 0.05, side.size)], 1
    )
    length = rng.uniform(0.16, 0.3, side.size)
    calibre = rng.uniform(0.013, 0.021, side.size)
    for _ in range(4):
        bend = rng.normal(0, 0.35, side.size)
        t = np.linspace(0, 1, _STEPS)[None]
        heading = angle[:, None] + bend[:, None] * t
        step = length[:, None] / _STEPS
        path_x = start[:, :1] + np.cumsum(side[:, None] * np.cos(heading) * step, axis=1)
        path_y = start[:, 1:] + np.cumsum(np.sin(heading) * step, axis=1)
        mass = np.repeat(step * calibre[:, None] ** 2 * np.pi, _STEPS, axis=1)
        points = np.stack([path_x.ravel(), path_y.ravel()], axis=1)
        layer = splat(pose, points, mass.ravel())
        density += gaussian_filter(layer, max(calibre.mean() * 0.6 * pose.scale, 0.45))
        # each branch splits into two thinner ones
        start = np.repeat(np.stack([path_x[:, -1], path_y[:, -1]], axis=1), 2, axis=0)
        fork = np.tile([-1.0, 1.0], side.size) * rng.uniform(0.15, 0.55, 2 * side.size)
        angle = np.repeat(angle + bend, 2) + fork
        side = np.repeat(side, 2)
        length = np.repeat(length, 2) * rng.uniform(0.6, 0.95, side.size)
        calibre = np.repeat(calibre, 2) * rng.uniform(0.6, 0.8, side.size)
    for sign in (-1, 1):
        hilum = ((sign * pose.x - 0.17) / 0.075) ** 2 + ((pose.y + 0.03) / 0.13) ** 2
        density += 0.11 * np.exp(-hilum)
    return density
