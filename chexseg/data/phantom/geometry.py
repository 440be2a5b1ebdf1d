"""Patient coordinates, smooth random fields and curves: the drawing tools of the phantom.

Coordinates belong to the patient, not to pixels, so a chest looks the same at every resolution:
x grows towards the patient's left (the right of the image), y grows downwards, the spine is x = 0
and the thorax is about 1.5 wide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]

_STAMP = 10.0  # reach in pixels up to which each point of a curve is stamped separately


@dataclass(frozen=True)
class Pose:
    """Maps pixels to positions in the patient.

    Attributes:
        x: patient coordinate of each pixel, [H, W].
        y: patient coordinate of each pixel, [H, W].
        scale: pixels per unit of length.
        rotation: matrix from patient to image axes, [2, 2].
        origin: column and row of the patient's (0, 0), [2].
    """

    x: Map
    y: Map
    scale: float
    rotation: NDArray[np.float64]
    origin: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        return self.x.shape

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the (column, row) of patient points, both [n, 2]."""
        return points @ self.rotation.T * self.scale + self.origin


def draw_pose(rng: np.random.Generator, longest_side: int) -> Pose:
    """Draws a random image size near `longest_side` and a random position of the patient."""
    longest = longest_side * rng.uniform(0.82, 1.18)
    shortest = longest * rng.uniform(0.8, 0.96)
    height, width = np.rint((longest, shortest) if rng.random() < 0.45 else (shortest, longest))
    height, width = int(height), int(width)
    width += height == width
    scale = 0.5 * min(height, width) * rng.uniform(1.05, 1.28)
    angle = rng.normal(0, 0.035)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.clip(rng.normal(0, 0.045, 2), -0.1, 0.1)
    origin = np.array([width, height]) / 2 + scale * (shift + (0, 0.02))
    columns, rows = np.meshgrid(np.arange(width) - origin[0], np.arange(height) - origin[1])
    x, y = np.tensordot(rotation.T / scale, np.stack([columns, rows]), axes=1)
    warp_x, warp_y = (0.014 * smooth_field(rng, (height, width), 4) for _ in range(2))
    return Pose(
        (x + warp_x).astype(np.float32), (y + warp_y).astype(np.float32), scale, rotation, origin
    )


def smoothstep(low: float | Map, high: float | Map, value: Map) -> Map:
    """Returns 0 below `low`, 1 above `high` and a smooth rise between them."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Map:
    """Returns a random field of about unit variance, [H, W].

    It is a cubic B-spline over white noise with `cells` knots along the longer side, computed by
    two matrix products: fast, and the same field at every resolution.
    """
    bases = []
    for length in shape:
        knots = max(2, round(cells * length / max(shape)))
        position = np.linspace(0, knots, length, endpoint=False)
        distance = np.abs(position[:, None] - np.arange(-1, knots + 2))
        near = 2 / 3 - distance**2 + distance**3 / 2
        far = np.clip(2 - distance, 0, None) ** 3 / 6
        bases.append(np.where(distance < 1, near, far))
    noise = rng.standard_normal((bases[0].shape[1], bases[1].shape[1]))
    return (2.1 * bases[0] @ noise @ bases[1].T).astype(np.float32)


def smooth_curve(points: list[tuple[float, float]] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounds a polyline [n, 2] by cutting its corners (Chaikin); its ends stay fixed."""
    points = np.asarray(points, dtype=np.float64)
    for _ in range(4):
        cut = np.stack(
            [0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]]
        )
        points = np.concatenate([points[:1], cut.swapaxes(0, 1).reshape(-1, 2), points[-1:]])
    return points


def distance_to_curves(pose: Pose, curves: list[NDArray[np.float64]], reach: float) -> Map:
    """Returns each pixel's distance to the nearest curve, in patient units, at most `reach`.

    Args:
        pose: positions of the pixels.
        curves: polylines in patient coordinates, [n, 2] each; if empty, the result is `reach`.
        reach: larger distances are not computed.
    """
    height, width = pose.shape
    reach_pixels = reach * pose.scale
    field = np.full(height * width, reach_pixels, dtype=np.float32)
    if not curves:
        return (field / pose.scale).reshape(height, width)
    points = np.concatenate([_resample(pose.pixels(curve), 0.5) for curve in curves])
    if reach_pixels > _STAMP:  # many pixels per point: transforming the whole image is faster
        columns, rows = np.rint(points).astype(np.int64).T
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        away = np.ones(pose.shape, dtype=bool)
        away[rows[inside], columns[inside]] = False
        if not inside.any():
            return (field / pose.scale).reshape(height, width)
        distance = distance_transform_edt(away).astype(np.float32)
        return np.minimum(distance, np.float32(reach_pixels)) / np.float32(pose.scale)
    radius = int(np.ceil(reach_pixels))
    offsets = np.arange(-radius, radius + 1)
    columns, rows = np.rint(points).astype(np.int64).T
    columns = columns[:, None, None] + offsets
    rows = rows[:, None, None] + offsets[:, None]
    distance = np.hypot(columns - points[:, 0, None, None], rows - points[:, 1, None, None])
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    inside = inside & (distance < reach_pixels)
    index = np.broadcast_to(rows * width + columns, inside.shape)
    np.minimum.at(field, index[inside], distance[inside].astype(np.float32))
    return (field / pose.scale).reshape(height, width)


def splat(pose: Pose, points: NDArray[np.float64], mass: NDArray[np.float64]) -> Map:
    """Spreads point masses over the pixels around them, as density per unit of area, [H, W]."""
    height, width = pose.shape
    places = pose.pixels(points)
    corner = np.floor(places).astype(np.int64)
    part = places - corner
    density = np.zeros(height * width)
    for right in (0, 1):
        for down in (0, 1):
            column, row = corner[:, 0] + right, corner[:, 1] + down
            weight = mass * np.abs(1 - right - part[:, 0]) * np.abs(1 - down - part[:, 1])
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            density += np.bincount(
                (row * width + column)[inside], weight[inside], minlength=height * width
            )
    return (density.reshape(height, width) * pose.scale**2).astype(np.float32)


def _resample(points: NDArray[np.float64], spacing: float) -> NDArray[np.float64]:
    """Returns points along a polyline every `spacing`, [m, 2]."""
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    places = np.linspace(0, length[-1], int(length[-1] / spacing) + 2)
    return np.stack([np.interp(places, length, points[:, axis]) for axis in (0, 1)], axis=1)
