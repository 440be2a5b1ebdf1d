"""The random walk as published, with a dense matrix; and maps for walks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from chexseg.affinity.paths import displacements, path_affinity


def smooth(images: int, cells: int, side: int, generator: torch.Generator) -> Tensor:
    """Returns [images, side, side]: random blobs from 0 to 1, as CAMs look when upsampled."""
    blobs = F.interpolate(
        torch.randn(images, 1, 4, 4, generator=generator), size=(cells, cells), mode="bicubic"
    ).clamp(min=0)
    blobs = blobs / blobs.amax((2, 3), keepdim=True).clamp(min=1e-6)
    return F.interpolate(blobs, size=(side, side), mode="bilinear", align_corners=False)[:, 0]


def dense_walk(
    maps: Tensor, edge: Tensor, radius: int, beta: float, steps_log2: int, *, squared: bool
) -> Tensor:
    """Returns maps [P, H, W] after the walk with a dense matrix.

    As published, the matrix is squared `t` times; where it is not `squared`, the maps are
    multiplied with it 2^t times, which is faster for few maps.
    """
    height, width = edge.shape
    count = height * width
    matrix = torch.eye(count, device=edge.device)
    numbers = torch.arange(count, device=edge.device).reshape(height, width)
    affinity = path_affinity(edge[None], radius)[0] ** beta
    for values, (dy, dx) in zip(affinity, displacements(radius), strict=True):
        rows, columns = slice(0, height - dy), slice(max(-dx, 0), width - max(dx, 0))
        source = numbers[rows, columns].flatten()
        partner = source + dy * width + dx
        matrix[source, partner] = matrix[partner, source] = values[rows, columns].flatten()
    matrix /= matrix.sum(0, keepdim=True)
    walked = (maps * (1 - edge)).flatten(1)
    if squared:
        for _ in range(steps_log2):
            matrix = matrix @ matrix
        walked = walked @ matrix
    else:
        for _ in range(2**steps_log2):
            walked = walked @ matrix
    return walked.reshape(maps.shape)
