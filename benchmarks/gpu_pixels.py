"""Works on all pixels on a GPU: CRF, random walk, masks at native size, Integrated Gradients."""

from __future__ import annotations

import numpy as np
import torch
from dense_walk import dense_walk, smooth
from gpu_bench import Bench, Setting, exact, relative_difference
from gpu_clock import Rate, rate_of
from threads import one_thread
from torch import Tensor

from chexseg.affinity.labels import affinity_labels
from chexseg.affinity.random_walk import random_walk
from chexseg.config.networks import segmenter_gflop
from chexseg.config.settings import SegmenterSettings
from chexseg.data.images import Letterbox
from chexseg.data.layouts.chexpert import FINDINGS, PATHOLOGIES
from chexseg.inference.batching import to_float
from chexseg.inference.native_size import to_native_size
from chexseg.mask_sources.irnet import AffinityLabelSettings, WalkSettings
from chexseg.models.classifier import build_classifier
from chexseg.models.trained import segmenter_of
from chexseg.saliency.baselines import Black
from chexseg.saliency.integrated_gradients import IntegratedGradients
from chexseg.scheduling.gpu_rates import STAGE

POSITIVE = 3
CPU = torch.device("cpu")
LABEL_TOLERANCE = 0.001
WALK_TOLERANCE = 1e-4
MASK_TOLERANCE = 0.001
GRADIENT_TOLERANCE = 5e-3


@one_thread()
def of_a_core(call, x_rays: int, seconds: float) -> Rate:
    """Returns the rate of a call on one core of the CPU."""
    return rate_of(call, x_rays, CPU, seconds)


def crf(bench: Bench) -> None:
    """Affinity labels of three pathologies; the usual way is a core of the CPU."""
    images, settings = bench.images(bench.sizes.walks), AffinityLabelSettings().model_dump()
    generator = torch.Generator().manual_seed(1)
    maps = smooth(len(images) * POSITIVE, 10, 10, generator).reshape(-1, POSITIVE, 10, 10)
    positive = torch.ones(len(images), POSITIVE, dtype=torch.bool)

    def labels(device: torch.device, count: int) -> Tensor:
        given = (images[:count, 0], maps[:count], positive[:count])
        return affinity_labels(*(each.to(device) for each in given), **settings).cpu()

    core = of_a_core(lambda: labels(CPU, 1), 1, bench.sizes.seconds)
    rate = bench.rate(lambda: labels(bench.device, len(images)), len(images))
    with exact():
        differ = labels(bench.device, 2) != labels(CPU, 2)
    bench.add(
        "label-affinity", STAGE, rate, peer="a core of the CPU", peer_rate=core,
        cores=rate.x_rays_per_second / core.x_rays_per_second,
        difference=float(differ.float().mean()), tolerance=LABEL_TOLERANCE,
    )  # fmt: skip


def walk(bench: Bench) -> None:
    """The random walk of ten maps; the usual way squares a dense matrix for each X-ray."""
    side, count = bench.sizes.size // 4, bench.sizes.walks
    settings = WalkSettings().model_dump(exclude={"background"})
    generator = torch.Generator().manual_seed(1)
    maps = smooth(count * len(PATHOLOGIES), 10, side, generator).reshape(count, -1, side, side)
    edge = smooth(count, side // 2, side, generator) ** 2

    def walked(device: torch.device, some: int) -> Tensor:
        return random_walk(maps[:some].to(device), edge[:some].to(device), **settings).cpu()

    def dense() -> Tensor:
        first = maps[0].to(bench.device), edge[0].to(bench.device)
        return dense_walk(*first, **settings, squared=True).cpu()

    core = of_a_core(lambda: walked(CPU, 1), 1, bench.sizes.seconds)
    rate = bench.rate(lambda: walked(bench.device, count), count)
    with exact():
        found, expected = walked(bench.device, 2), walked(CPU, 2)
    compared = {"difference": float((found - expected).abs().max()), "tolerance": WALK_TOLERANCE}
    cores = rate.x_rays_per_second / core.x_rays_per_second
    bench.add(
        "make-masks", STAGE, rate, peer="a core of the CPU", peer_rate=core, cores=cores, **compared
    )
    dense_rate = bench.rate(dense, 1)
    with exact():
        difference = float((dense() - found[0]).abs().max())
    bench.add(
        "make-masks", "against the dense walk", rate, peer="dense matrix, squared, on the same device",
        peer_rate=dense_rate, difference=difference, tolerance=WALK_TOLERANCE,
    )  # fmt: skip


@torch.no_grad()
def prediction(bench: Bench) -> None:
    """Masks of ten pathologies at native size; the usual way takes X-rays one by one.

    It enlarges their maps on the CPU.
    """
    sizes, chosen = bench.sizes, SegmenterSettings()
    torch.manual_seed(0)
    model = segmenter_of(chosen, len(PATHOLOGIES)).eval().requires_grad_(False)
    letterbox = Letterbox(sizes.native, sizes.native * 7 // 8, sizes.size)
    images, few = bench.images(sizes.inference), bench.images(4)

    def masks(count: int, device: torch.device, together: bool, setting: Setting) -> np.ndarray:
        image = to_float(images[:count].to(device, non_blocking=True))
        with setting.context(device):
            parts = [image] if together else image.split(1)
            probability = torch.cat([model(part).float().sigmoid() for part in parts])
        probability = probability if together else probability.cpu()
        return np.stack(
            [(to_native_size(letterbox, each) > 0.5).cpu().numpy() for each in probability]
        )

    expected = masks(2, CPU, True, Setting(""))
    model = model.to(bench.device)
    with exact():
        differ = masks(2, bench.device, True, Setting("")) != expected
    compared = {"difference": float(differ.mean()), "tolerance": MASK_TOLERANCE}
    one = bench.rate(lambda: masks(len(few), bench.device, False, Setting("")), len(few))
    gflop = (sizes.size / 320) ** 2 * segmenter_gflop(chosen.encoder, chosen.architecture)

    def network() -> None:
        model(bench.moved(images)).sigmoid().cpu()

    for setting in (Setting(STAGE), Setting("bf16, with masks at native size", bf16=True)):
        if setting.bf16:
            rate = bench.rate(
                lambda: masks(len(few), bench.device, True, Setting("", bf16=True)), len(few)
            )
        else:  # the cost model counts the enlarging apart
            rate = bench.rate(network, len(images))
        bench.add("predict-masks", setting.name, rate, gflop=gflop, **compared)
        compared = {}
    rate = bench.rate(lambda: masks(len(few), bench.device, True, Setting("")), len(few))
    bench.add(
        "predict-masks",
        "fp32, with masks at native size",
        rate,
        peer="one X-ray at a time, enlarged on the CPU",
        peer_rate=one,
    )


def gradients(bench: Bench) -> None:
    """Integrated Gradients of all observations; the usual way is a pass per observation and step."""
    sizes = bench.sizes
    torch.manual_seed(0)
    classifier = build_classifier(sizes.architecture, len(FINDINGS)).eval().requires_grad_(False)
    image, outputs = bench.images(1), list(range(len(FINDINGS)))
    few = outputs[:2]

    def maps(device: torch.device, chosen: list[int]) -> Tensor:
        explainer = IntegratedGradients(classifier, baseline=Black(), steps=sizes.steps, budget=8e9)
        return explainer.maps(to_float(image.to(device)), chosen).cpu()

    expected = maps(CPU, few)
    classifier.to(bench.device)
    with exact():
        found = maps(bench.device, few)
    nodes = torch.linspace(0.05, 0.95, sizes.steps, device=bench.device)[:, None, None, None]

    def usual() -> None:
        for output in outputs:
            path = (nodes * bench.moved(image)).requires_grad_()
            torch.autograd.grad(classifier(path)[:, output].sum(), path)[0].mean(0).cpu()

    peer = {"peer": "a backward pass per class", "peer_rate": bench.rate(usual, 1)}
    rate = bench.rate(lambda: maps(bench.device, outputs), 1)
    bench.add(
        "compute-saliency", f"Integrated Gradients, {sizes.steps} steps, {len(outputs)} observations",
        rate, **peer, difference=relative_difference(found, expected), tolerance=GRADIENT_TOLERANCE,
    )  # fmt: skip
