"""The random walk and the dense CRF: ours against the dense algorithm and pydensecrf2.

All run in one process, ours and the peer in turns; seconds are medians. pydensecrf2 has one thread
only, so the CRFs are compared on one; the walks have torch's usual number, which `work` tells. The
images are made up: smooth shapes, a slope and noise, in the grey levels of an X-ray. The cost of
the walk goes to benchmarks/results/walk_cost.csv and docs/walk_cost.png.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pydensecrf.densecrf as densecrf
import torch
from comparison import comparison
from dense_walk import dense_walk, smooth
from matplotlib.ticker import FixedLocator
from pydensecrf.utils import unary_from_labels
from threads import one_thread
from torch import Tensor

from chexseg.affinity.dense_crf import refine
from chexseg.affinity.random_walk import random_walk
from chexseg.mask_sources.irnet import AffinityLabelSettings

REPEATS = 5
WALK_SIDE = 80
PATHOLOGIES = 10
WALK_BAR = 100.0
WALK_TOLERANCE = 1e-4
SIDE = 320
CRF_BAR = 20.0
CRF_BAR_MASKS = 20  # of an X-ray, in one batch
CRF_AGREEMENT = 0.985
CRF_PEER_MASKS = 4
COST_SIDES = (40, 80, 120, 160)
COST_STEPS_LOG2 = (0, 3, 6, 8, 10)
COST_TABLE = Path("benchmarks/results/walk_cost.csv")
COST_FIGURE = Path("docs/walk_cost.png")


def seconds_of(compute: Callable[[], object]) -> float:
    """Returns the wall-clock seconds that one call takes."""
    start = time.perf_counter()
    compute()
    return time.perf_counter() - start


def in_turns(
    ours: Callable[[], object], peer: Callable[[], object], repeats: int = REPEATS
) -> tuple[float, float]:
    """Returns the median seconds of ours and of the peer, called in turns; both must be warm."""
    pairs = [(seconds_of(ours), seconds_of(peer)) for _ in range(repeats)]
    ours_seconds, peer_seconds = zip(*pairs, strict=True)
    return median(ours_seconds), median(peer_seconds)


def walk_inputs(side: int) -> tuple[Tensor, Tensor]:
    """Returns maps [1, P, side, side] and edges [1, side, side]."""
    generator = torch.Generator().manual_seed(0)
    maps = smooth(PATHOLOGIES, 10, side, generator)
    return maps[None], smooth(1, 40, side, generator) ** 2


def compare_walks(radius: int, beta: float, steps_log2: int, *, squared: bool) -> dict:
    """Returns one row: seconds per X-ray of ten maps, and the largest difference of their values.

    A peer that takes seconds runs once: its products warm up by themselves.
    """
    maps, edge = walk_inputs(WALK_SIDE)
    settings = {"radius": radius, "beta": beta, "steps_log2": steps_log2}

    def ours() -> Tensor:
        return random_walk(maps, edge, **settings)[0]

    def peer() -> Tensor:
        return dense_walk(maps[0], edge[0], **settings, squared=squared)

    walked = ours()
    if squared or steps_log2 > 3:
        start = time.perf_counter()
        expected = peer()
        peer_seconds = time.perf_counter() - start
        ours_seconds = median(seconds_of(ours) for _ in range(REPEATS))
    else:
        expected = peer()
        ours_seconds, peer_seconds = in_turns(ours, peer)
    return comparison(
        f"random walk, {PATHOLOGIES} maps of {WALK_SIDE} x {WALK_SIDE}, {settings}, "
        f"{torch.get_num_threads()} threads",
        "dense matrix, squared as published" if squared else "dense matrix, step by step",
        ours_seconds=ours_seconds,
        peer_seconds=peer_seconds,
        difference=float((walked - expected).abs().max()),
        most_difference=WALK_TOLERANCE,
        least_ratio=WALK_BAR if squared else None,
    )


def walk_costs() -> pd.DataFrame:
    """Returns the median seconds of a walk of ten maps for each size and number of steps."""
    costs = []
    for radius, beta in ((3, 5), (5, 10)):
        for side in COST_SIDES:
            maps, edge = walk_inputs(side)
            for steps_log2 in COST_STEPS_LOG2:
                walk = partial(
                    random_walk, maps, edge, radius=radius, beta=beta, steps_log2=steps_log2
                )
                walk()
                seconds = median(seconds_of(walk) for _ in range(3))
                costs.append((radius, side * side, 2**steps_log2, seconds))
    return pd.DataFrame(costs, columns=["radius", "pixels", "steps", "seconds"])


def draw_walk_costs(costs: pd.DataFrame, out: Path) -> None:
    """Draws the table of `walk_costs`: seconds against steps, one curve per number of pixels."""
    figure, panels = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
    for axes, (radius, of_radius) in zip(panels, costs.groupby("radius"), strict=True):
        for pixels, curve in of_radius.groupby("pixels"):
            side = math.isqrt(pixels)
            axes.plot(curve.steps, 1000 * curve.seconds, "o-", label=f"{side} x {side} pixels")
        axes.set(xscale="log", yscale="log", xlabel="steps", title=f"radius {radius}")
        axes.xaxis.set_major_locator(FixedLocator(sorted(set(costs.steps))))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"milliseconds for {PATHOLOGIES} maps")
    panels[0].legend()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)
    plt.close(figure)


CRF = AffinityLabelSettings().model_dump(exclude={"foreground", "background"})


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
    """Returns one row: seconds per mask, and the share of pixels that are labelled differently.

    The peer's masks are independent runs, so its seconds are those of a few of them.
    """
    generator = torch.Generator().manual_seed(0)
    image = grey_images(images, generator)
    blobs = smooth(images * masks, 10, SIDE, generator).reshape(images, masks, SIDE, SIDE)
    label = blobs > torch.tensor([0.30, 0.05]).repeat(masks // 2)[:, None, None]

    def peer(count: int) -> Tensor:
        found = [
            peer_refine(grey.numpy(), mask.numpy())
            for grey, rough in zip(image, label.long(), strict=True)
            for mask in rough[:count]
        ]
        return torch.from_numpy(np.stack(found)).reshape(images, -1, SIDE, SIDE)

    with one_thread():
        ours, theirs = refine(image, label, **CRF), peer(masks)
        ours_seconds, peer_seconds = in_turns(
            lambda: refine(image, label, **CRF), lambda: peer(CRF_PEER_MASKS)
        )
    ours_seconds /= images * masks
    peer_seconds /= images * CRF_PEER_MASKS
    return comparison(
        f"dense CRF, {masks} masks of each of {images} images, {SIDE} px, per mask, "
        "1 thread; max_abs_diff is the share of pixels that differ",
        "pydensecrf2, 1 thread",
        ours_seconds=ours_seconds,
        peer_seconds=peer_seconds,
        difference=float((ours != theirs).float().mean()),
        most_difference=1 - CRF_AGREEMENT,
        least_ratio=CRF_BAR if masks == CRF_BAR_MASKS else None,
    )


def rows() -> list[dict]:
    """Returns one row per comparison, and leaves the walk's cost as a table and a figure."""
    costs = walk_costs()
    COST_TABLE.parent.mkdir(parents=True, exist_ok=True)
    costs.to_csv(COST_TABLE, index=False)
    draw_walk_costs(costs, COST_FIGURE)
    irn = {"radius": 5, "beta": 10, "steps_log2": 8}
    chexseg = {"radius": 3, "beta": 5, "steps_log2": 3}
    return [
        *(compare_walks(**irn, squared=squared) for squared in (True, False)),
        *(compare_walks(**chexseg, squared=squared) for squared in (True, False)),
        compare_crfs(images=2, masks=20),
        compare_crfs(images=4, masks=6),
    ]


if __name__ == "__main__":
    for row in rows():
        print(row)
