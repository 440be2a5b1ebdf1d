"""The random walk and the dense CRF: ours against the published algorithm and pydensecrf2.

All run in one process. torch has its usual number of CPU threads, which `work` tells: on a busy
machine set OMP_NUM_THREADS=1. The images are made up: smooth shapes, a slope and noise, in the
grey levels of an X-ray.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pydensecrf.densecrf as densecrf
import torch
import torch.nn.functional as F
from pydensecrf.utils import unary_from_labels
from torch import Tensor

from chexseg.affinity.dense_crf import refine
from chexseg.affinity.paths import displacements, path_affinity
from chexseg.affinity.random_walk import random_walk

REPEATS = 5
WALK_SIDE = 80
PATHOLOGIES = 10
WALK_BAR = 100.0
WALK_TOLERANCE = 1e-4
SIDE = 320
CRF_BAR = 20.0
CRF_AGREEMENT = 0.985

Result = TypeVar("Result")


def timed(compute: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    """Returns the seconds of the fastest run after one to warm up, and the result."""
    result = compute()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = compute()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def smooth(images: int, cells: int, side: int, generator: torch.Generator) -> Tensor:
    """Returns [images, side, side]: random blobs from 0 to 1, as CAMs look when upsampled."""
    blobs = F.interpolate(
        torch.randn(images, 1, 4, 4, generator=generator), size=(cells, cells), mode="bicubic"
    ).clamp(min=0)
    blobs = blobs / blobs.amax((2, 3), keepdim=True).clamp(min=1e-6)
    return F.interpolate(blobs, size=(side, side), mode="bilinear", align_corners=False)[:, 0]


def dense_walk(maps: Tensor, edge: Tensor, radius: int, beta: float, steps_log2: int) -> Tensor:
    """Returns maps [P, H, W] after the walk, as published: a dense matrix, squared `t` times."""
    height, width = edge.shape
    count = height * width
    matrix = torch.eye(count)
    numbers = torch.arange(count).reshape(height, width)
    affinity = path_affinity(edge[None], radius)[0] ** beta
    for values, (dy, dx) in zip(affinity, displacements(radius), strict=True):
        rows, columns = slice(0, height - dy), slice(max(-dx, 0), width - max(dx, 0))
        source = numbers[rows, columns].flatten()
        partner = source + dy * width + dx
        matrix[source, partner] = matrix[partner, source] = values[rows, columns].flatten()
    matrix /= matrix.sum(0, keepdim=True)
    for _ in range(steps_log2):
        matrix = matrix @ matrix
    return ((maps * (1 - edge)).flatten(1) @ matrix).reshape(maps.shape)


def compare_walks(radius: int, beta: float, steps_log2: int) -> dict:
    """Returns one row: seconds per X-ray of ten maps, and the largest difference of their values.

    The published algorithm runs once: it is slow, and its products warm up by themselves.
    """
    generator = torch.Generator().manual_seed(0)
    maps = smooth(PATHOLOGIES, 10, WALK_SIDE, generator)
    edge = smooth(1, 40, WALK_SIDE, generator)[0] ** 2
    settings = {"radius": radius, "beta": beta, "steps_log2": steps_log2}
    ours_seconds, ours = timed(lambda: random_walk(maps[None], edge[None], **settings), REPEATS)
    start = time.perf_counter()
    theirs = dense_walk(maps, edge, **settings)
    peer_seconds = time.perf_counter() - start
    return {
        "work": f"random walk, {PATHOLOGIES} maps of {WALK_SIDE} x {WALK_SIDE}, {settings}, "
        f"{torch.get_num_threads()} threads",
        "peer": "dense matrix, squared (torch, float32)",
        "ours_seconds": ours_seconds,
        "peer_seconds": peer_seconds,
        "ratio": peer_seconds / ours_seconds,
        "max_abs_diff": float((ours[0] - theirs).abs().max()),
        "bar": f"ratio >= {WALK_BAR:g} (at t = 8) and max_abs_diff <= {WALK_TOLERANCE:g}",
    }


def peer_refine(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Returns the labels [H, W] that pydensecrf2 finds, called as IRN calls it."""
    height, width = image.shape
    crf = densecrf.DenseCRF2D(width, height, 2)
    crf.setUnaryEnergy(unary_from_labels(label, 2, gt_prob=0.7, zero_unsure=False))
    crf.addPairwiseGaussian(sxy=3, compat=3)
    colours = np.ascontiguousarray(np.repeat(image[..., None], 3, axis=2))
    crf.addPairwiseBilateral(sxy=50, srgb=5, rgbim=colours, compat=10)
    return np.array(crf.inference(10)).reshape(2, height, width).argmax(0)


def grey_images(images: int, generator: torch.Generator) -> Tensor:
    """Returns [images, SIDE, SIDE] uint8 with an X-ray's mixture of shapes, slopes and noise."""
    shapes = smooth(images, 20, SIDE, generator) * 90 + smooth(images, 6, SIDE, generator) * 90
    slope = torch.linspace(0, 1, SIDE) * math.pi
    noise = 4 * torch.randn(images, SIDE, SIDE, generator=generator)
    return (50 + shapes + 30 * slope.sin() + noise).clamp(0, 255).to(torch.uint8)


def compare_crfs(images: int, masks: int) -> dict:
    """Returns one row: seconds per mask, and the share of pixels that are labelled differently."""
    generator = torch.Generator().manual_seed(0)
    image = grey_images(images, generator)
    blobs = smooth(images * masks, 10, SIDE, generator).reshape(images, masks, SIDE, SIDE)
    label = (blobs > torch.tensor([0.30, 0.05]).repeat(masks // 2)[:, None, None]).long()

    def peer() -> Tensor:
        found = [
            peer_refine(grey.numpy(), mask.numpy())
            for grey, rough in zip(image, label, strict=True)
            for mask in rough
        ]
        return torch.from_numpy(np.stack(found)).reshape(label.shape)

    ours_seconds, ours = timed(lambda: refine(image, label), REPEATS)
    peer_seconds, theirs = timed(peer, 1)
    count = images * masks
    return {
        "work": f"dense CRF, {masks} masks of each of {images} images, {SIDE} px, per mask, "
        f"{torch.get_num_threads()} threads",
        "peer": "pydensecrf2 (one thread; share of pixels that differ)",
        "ours_seconds": ours_seconds / count,
        "peer_seconds": peer_seconds / count,
        "ratio": peer_seconds / ours_seconds,
        "max_abs_diff": float((ours != theirs).float().mean()),
        "bar": f"ratio >= {CRF_BAR:g} and share <= {1 - CRF_AGREEMENT:.3f}",
    }


def rows() -> list[dict]:
    """Returns one row per comparison."""
    return [
        compare_walks(radius=5, beta=10, steps_log2=8),
        compare_walks(radius=3, beta=5, steps_log2=3),
        compare_crfs(images=2, masks=20),
        compare_crfs(images=4, masks=6),
    ]


if __name__ == "__main__":
    for row in rows():
        print(row)
