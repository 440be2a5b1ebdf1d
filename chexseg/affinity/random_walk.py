"""Spreads class activation maps to neighbouring pixels, but not across edges (IRN's random walk).

The published code squares a dense (H W) x (H W) matrix `t` times. Here, the sparse one-step matrix
T is applied to the maps instead. T is similar to a symmetric matrix with its spectrum in [-1, 1],
where x^n is well approximated by a short sum of Chebyshev polynomials: about 70 products replace
256 steps.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from chexseg.affinity.paths import displacements, pair_slices, path_affinity
from chexseg.affinity.sparse import csr_matrix
from chexseg.errors import Problems


def random_walk(
    maps: Tensor,
    edge: Tensor,
    *,
    radius: int,
    beta: float,
    steps_log2: int,
    tolerance: float = 1e-5,
) -> Tensor:
    """Returns (maps x (1 - edge)) T^(2^t), the maps after 2^t steps of a random walk.

    T is the affinity to the power of `beta`, divided by its column sums. The affinity of two pixels
    is given by `path_affinity`; the affinity of a pixel to itself is 1.

    Args:
        maps: [B, P, H, W], one map per pathology, of any scale.
        edge: [B, H, W], boundary probabilities, 0 to 1.
        radius: only pixels closer than this are connected.
        beta: higher values make edges repel more strongly.
        steps_log2: t; the walk takes 2^t steps.
        tolerance: the share of T^(2^t) that may be dropped.

    Returns:
        [B, P, H, W], float32 even for float16 input. An empty map stays zero.

    Raises:
        InputError: the shapes do not match, or `radius`, `beta` or `steps_log2` is out of range.

    Source: Ahn et al. 2019, equations 9 and 10; `propagate_to_edge` in its published code.
    """
    _check(maps, edge, radius, beta, steps_log2)
    batch, pathologies, height, width = maps.shape
    maps, edge = maps.float(), edge.float()
    start = (maps * (1 - edge)[:, None]).flatten(2)
    affinity = path_affinity(edge, radius) ** beta
    if not batch:
        return torch.zeros_like(maps)
    # On a CPU one image at a time: the matrix of a batch would not fit in its cache.
    together = batch if maps.device.type == "cuda" else 1
    walked = [
        _walk(some, parts, radius, 2**steps_log2, tolerance)
        for some, parts in zip(affinity.split(together), start.split(together), strict=True)
    ]
    return torch.cat(walked).reshape(batch, pathologies, height, width)


def _walk(affinity: Tensor, start: Tensor, radius: int, steps: int, tolerance: float) -> Tensor:
    """Returns the maps [B, P, H W] after the walk, all images in one product."""
    vectors = start.transpose(1, 2).flatten(0, 1).contiguous()
    walked = _power(_transition_matrix(affinity, radius), vectors, steps, tolerance)
    return walked.view(len(start), start.shape[2], start.shape[1]).transpose(1, 2)


def _transition_matrix(affinity: Tensor, radius: int) -> Tensor:
    """Returns T transposed of images [B, D, H, W] in CSR, [B H W, B H W], a block for each image.

    A row holds the weights of the new value of a pixel.
    """
    batch, _, height, width = affinity.shape
    middle, pixels = len(displacements(radius)), height * width
    values = affinity.new_zeros(batch, 2 * middle + 1, height, width)
    values[:, middle] = 1
    values[:, middle + 1 :] = affinity
    for index, displacement in enumerate(displacements(radius)):
        source, partner = pair_slices(displacement, height, width)
        values[(slice(None), middle - 1 - index, *partner)] = affinity[
            (slice(None), index, *source)
        ]
    values /= values.sum(1, keepdim=True)
    entries, columns, row_ends = _neighbours(radius, height, width, affinity.device)
    image = torch.arange(batch, dtype=torch.int32, device=affinity.device)[:, None]
    all_ends = (row_ends[1:] + image * len(entries)).flatten()
    return csr_matrix(
        torch.cat([row_ends[:1], all_ends]),
        (columns + image * pixels).flatten(),
        values.flatten(1).index_select(1, entries).flatten(),
        size=(batch * pixels, batch * pixels),
    )


@lru_cache(maxsize=8)
def _neighbours(
    radius: int, height: int, width: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the neighbours of each pixel: the part of a CSR matrix that is equal for all images.

    It consists of the position of each entry in [2 D + 1, H, W], the index of the neighbour, and
    the row ends. Neighbours follow the order of `displacements`, mirrored around the pixel itself,
    so that their indices ascend in each row.
    """
    forward = displacements(radius)
    offsets = torch.tensor([(-y, -x) for y, x in reversed(forward)] + [(0, 0), *forward])
    rows = torch.arange(height)[:, None, None] + offsets[:, 0]
    columns = torch.arange(width)[None, :, None] + offsets[:, 1]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    entries = torch.arange(inside.numel()).reshape(-1, height, width).permute(1, 2, 0)
    row_ends = torch.zeros(height * width + 1, dtype=torch.int32)
    row_ends[1:] = inside.sum(-1).flatten().cumsum(0)
    numbers = (rows * width + columns)[inside].int()
    return entries[inside].int().to(device), numbers.to(device), row_ends.to(device)


def _power(matrix: Tensor, vectors: Tensor, exponent: int, tolerance: float) -> Tensor:
    """Returns matrix^exponent @ vectors; the matrix must have its spectrum in [-1, 1]."""
    coefficients = _chebyshev_coefficients(exponent, tolerance)
    if len(coefficients) > exponent:
        for _ in range(exponent):
            vectors = matrix @ vectors
        return vectors
    previous, current = vectors, matrix @ vectors
    total = coefficients[0] * previous + coefficients[1] * current
    for coefficient in coefficients[2:]:
        following = torch.addmm(previous, matrix, current, beta=-1, alpha=2)
        previous, current = current, following
        if coefficient:
            total.add_(current, alpha=coefficient)
    return total


@lru_cache
def _chebyshev_coefficients(exponent: int, tolerance: float) -> tuple[float, ...]:
    """Returns the Chebyshev coefficients of x^exponent, dropping a tail that sums to `tolerance`.

    x^n is the sum of 2^(1-n) binomial(n, (n - k) / 2) T_k over k = n, n - 2, ..., halved at k = 0.
    The coefficients are positive and sum to 1, and |T_k| <= 1, so the dropped sum bounds the error.
    """
    coefficients: list[float] = []
    left = 1.0
    while left > tolerance and len(coefficients) <= exponent:
        order = len(coefficients)
        if (exponent - order) % 2:
            coefficients.append(0.0)
            continue
        ways = math.comb(exponent, (exponent - order) // 2) * (2 if order else 1)
        coefficients.append(ways / 2**exponent)
        left -= coefficients[-1]
    return tuple(coefficients)


def _check(maps: Tensor, edge: Tensor, radius: int, beta: float, steps_log2: int) -> None:
    problems = Problems()
    if maps.ndim != 4 or edge.shape != maps.shape[:1] + maps.shape[2:]:
        problems.add(
            "random_walk: maps, edge",
            f"shapes {tuple(maps.shape)}, {tuple(edge.shape)}",
            "[B, P, H, W] and [B, H, W]",
            "Resize the maps to the size of the edge map.",
        )
    for name, value, least in (
        ("radius", radius, 1),
        ("beta", beta, 0),
        ("steps_log2", steps_log2, 0),
    ):
        if value < least:
            problems.add(
                f"random_walk: {name}", str(value), f"at least {least}", "Choose a larger value."
            )
    problems.raise_if_any()
