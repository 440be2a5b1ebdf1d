"""The pairs of pixels that IRN compares, and the straight paths between them.

Source: Ahn, Cho, Kwak, "Weakly supervised learning of instance segmentation with inter-pixel
relations", CVPR 2019, equation 4; `PathIndex` in its published code.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

Displacement = tuple[int, int]
"""Offset (rows down, columns right) from a pixel to its partner or to a pixel on their path."""


@lru_cache
def displacements(radius: int) -> tuple[Displacement, ...]:
    """Returns the displacements in one half plane that are shorter than `radius` (pixels).

    Each unordered pair of distinct pixels closer than `radius` appears once. The result is empty
    for a radius of 1 or less.
    """
    row = [(0, x) for x in range(1, radius)]
    below = [
        (y, x)
        for y in range(1, radius)
        for x in range(1 - radius, radius)
        if x * x + y * y < radius * radius
    ]
    return tuple(row + below)


@cache
def path(displacement: Displacement) -> frozenset[Displacement]:
    """Returns the pixels less than one pixel away from the segment from (0, 0) to `displacement`.

    The path includes both ends. It stays within the bounding box of the ends, so a path between two
    pixels of an image never leaves the image.
    """
    dy, dx = displacement
    length_squared = max(dy * dy + dx * dx, 1)
    return frozenset(
        (y, x)
        for y in range(min(0, dy), max(0, dy) + 1)
        for x in range(min(0, dx), max(0, dx) + 1)
        if (dy * x - dx * y) ** 2 < length_squared
    )


def pair_slices(
    displacement: Displacement, height: int, width: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Returns row and column slices of the first pixels of all pairs, and of their partners.

    Only pairs inside an image of `height` x `width` pixels count; without any, the slices are
    empty. Use them as `image[(..., *source)]`.
    """
    dy, dx = displacement
    rows, columns = max(height - dy, 0), max(width - abs(dx), 0)
    left, right = min(max(-dx, 0), width), min(max(dx, 0), width)
    source = slice(0, rows), slice(left, left + columns)
    partner = slice(dy, dy + rows), slice(right, right + columns)
    return source, partner


def pad_pairs(values: Tensor, displacement: Displacement, height: int, width: int) -> Tensor:
    """Returns [..., height, width]: the value of each pair at its first pixel.

    Pixels whose partner is outside the image get 0. `values` has the size of `pair_slices`.
    """
    (rows, columns), _ = pair_slices(displacement, height, width)
    return F.pad(values, (columns.start, width - columns.stop, 0, height - rows.stop))


def path_affinity(edge: Tensor, radius: int) -> Tensor:
    """Returns the affinity of each pixel to its partners: 1 - the highest edge on their path.

    Args:
        edge: [B, H, W], boundary probabilities, 0 to 1. It may be smaller than `radius`.
        radius: only pairs closer than this many pixels count.

    Returns:
        [B, D, H, W] in the order of `displacements(radius)`, differentiable. A partner outside the
        image has affinity 0.

    Source: Ahn et al. 2019, equation 4.
    """
    batch, height, width = edge.shape
    highest = {(0, 0): edge}
    for displacement, parts in _cover_paths(radius):
        (rows, columns), _ = pair_slices(displacement, height, width)
        count = rows.stop - rows.start, columns.stop - columns.start
        highest[displacement] = _maximum(
            _window(highest[shorter], shorter, start, columns.start, count)
            for start, shorter in parts
        )
    affinity = [
        pad_pairs(1 - highest[displacement], displacement, height, width)
        for displacement in displacements(radius)
    ]
    return torch.stack(affinity, 1) if affinity else edge.new_zeros(batch, 0, height, width)


def _window(
    values: Tensor, shorter: Displacement, start: Displacement, left: int, count: tuple[int, int]
) -> Tensor:
    """Returns the maxima over shorter paths that begin at offset `start` of the longer paths."""
    first_column = left + start[1] - max(-shorter[1], 0)
    return values[:, start[0] : start[0] + count[0], first_column : first_column + count[1]]


def _maximum(tensors: Iterable[Tensor]) -> Tensor:
    highest, *others = tensors
    for other in others:
        highest = torch.maximum(highest, other)
    return highest


@lru_cache
def _cover_paths(
    radius: int,
) -> tuple[tuple[Displacement, tuple[tuple[Displacement, Displacement], ...]], ...]:
    """Covers each path with a few shorter ones, so that no maximum is computed twice.

    Returns (displacement, ((start, shorter displacement), ...)) from the shortest path to the
    longest. The parts may overlap, since a maximum may count a pixel twice.
    """
    covers = []
    known = {(0, 0)}
    for displacement in sorted(displacements(radius), key=lambda d: len(path(d))):
        pixels = path(displacement)
        parts = {}
        for start in sorted(pixels):
            for end in sorted(pixels):
                shorter = (end[0] - start[0], end[1] - start[1])
                if shorter in known:
                    part = frozenset((start[0] + y, start[1] + x) for y, x in path(shorter))
                    if part <= pixels:
                        parts[start, shorter] = part
        chosen = []
        missing = pixels
        while missing:
            best = max(parts, key=lambda part: len(parts[part] & missing))
            missing = missing - parts[best]
            chosen.append(best)
        covers.append((displacement, tuple(chosen)))
        known.add(displacement)
    return tuple(covers)
