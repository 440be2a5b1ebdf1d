"""Integrated Gradients of the classifier's logits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from chexseg.config.paths import Paths
from chexseg.config.settings import Seed
from chexseg.saliency.method import SaliencyMethod

if TYPE_CHECKING:
    from torch import Tensor, nn

    from chexseg.files.artifacts import Inputs
    from chexseg.saliency.baselines import Baseline
    from chexseg.saliency.explainer import Explainer

BACKWARD = 0.5
"""Cost of the gradient of one output in forward passes, for the cost model: all go together."""


class IntegratedGradients(SaliencyMethod):
    """Integrated Gradients (Sundararajan et al., ICML 2017) of logits, summed over cells."""

    method: Literal["integrated_gradients"] = Field(description="How maps are computed.")
    batch_size: int = Field(
        4,
        ge=1,
        description="X-rays that are read at once. How much of them goes through the network at "
        "once depends on `memory`.",
    )
    steps: int = Field(
        16,
        ge=1,
        le=1000,
        description="Copies of the X-ray between baseline and X-ray at which gradients are taken: "
        "nodes of Gauss-Legendre quadrature.",
    )
    baseline: Literal["black", "blurred", "mean", "noise"] = Field(
        "black",
        description="Where the path to the X-ray begins: black; the X-ray, blurred; the mean train "
        "X-ray; or images of uniform noise, over which the mean is taken.",
    )
    blur: float = Field(
        0.0625,
        gt=0,
        le=0.25,
        description="Standard deviation of the blur, as a share of the X-ray's side.",
    )
    noise_baselines: int = Field(10, ge=1, le=1000, description="Number of baselines of noise.")
    values: Literal["signed", "absolute"] = Field(
        "signed",
        description="What is summed over cells: attributions, which sum to the difference of the "
        "logit, or the absolute value of each pixel's.",
    )
    noisy_copies: int = Field(
        0,
        ge=0,
        le=1000,
        description="SmoothGrad-squared: the root of the mean square of the attributions of so "
        "many noisy copies of the X-ray; 0: those of the X-ray itself.",
    )
    noise: float = Field(
        0.15, gt=0, le=1, description="Standard deviation of that noise; black is 0, white is 1."
    )
    cell: Literal[1, 2, 4, 8, 16, 32] = Field(
        4, description="Side of a stored cell in pixels; attributions are summed over cells."
    )
    memory: int = Field(
        4000,
        ge=1,
        le=1_000_000,
        description="Memory for the copies in the network, in MB; the network itself and what "
        "every job needs is not part of it. One copy with one observation always goes through. "
        "More is faster on a GPU; a CPU hardly needs it.",
    )
    seed: Seed = Field(0, description="Seed of the noise, which is the same for all X-rays.")

    roles: ClassVar[Mapping[str, str]] = {
        "index": "The study's index, for the baseline mean.",
        "mean": "All shards of the image store, whose train X-rays make the baseline mean.",
    }
    optional_roles: ClassVar[tuple[str, ...]] = ("index", "mean")

    def unused(self) -> set[str]:
        found = set()
        if self.baseline != "blurred":
            found.add("blur")
        if self.baseline != "noise":
            found.add("noise_baselines")
        found |= {"values"} if self.noisy_copies else {"noise"}
        if self.baseline != "noise" and not self.noisy_copies:
            found.add("seed")
        return found

    def inputs(self, paths: Paths) -> dict[str, list[str]]:
        # Each job reads all train X-rays: for CheXpert's, minutes beside hours.
        needed = {"index": [paths.index], "mean": paths.store("images")}
        return needed if self.baseline == "mean" else {}

    def pixels_per_cell(self, stride: int) -> int:
        return self.cell

    def forward_passes(self, classes: int) -> float:
        paths = max(1, self.noisy_copies) * (
            self.noise_baselines if self.baseline == "noise" else 1
        )
        return paths * (2 + self.steps * (1 + BACKWARD * classes))

    @staticmethod
    def explainer(settings: Any, classifier: nn.Module, inputs: Inputs) -> Explainer:
        from chexseg.saliency import integrated_gradients

        return integrated_gradients.IntegratedGradients(
            classifier,
            baseline=_baseline(settings, inputs),
            steps=settings.steps,
            absolute=settings.values == "absolute",
            cell=settings.cell,
            budget=settings.memory * 1e6,
            noisy_copies=settings.noisy_copies,
            noise=settings.noise,
            seed=settings.seed,
        )


def _baseline(settings: Any, inputs: Inputs) -> Baseline:
    from chexseg.saliency import baselines

    if settings.baseline == "black":
        return baselines.Black()
    if settings.baseline == "blurred":
        return baselines.Blurred(settings.blur)
    if settings.baseline == "noise":
        return baselines.Noise(settings.noise_baselines, settings.seed)
    return baselines.Mean(_mean_of_train(inputs.get("index", ()), inputs.get("mean", ())))


def _mean_of_train(index: tuple[Path, ...], shards: tuple[Path, ...]) -> Tensor:
    """Returns the mean of the stored train X-rays, [S, S] in [0, 1]."""
    import numpy as np
    import torch

    from chexseg.data.index import read_index
    from chexseg.errors import InputError, Problem
    from chexseg.files.store import Store

    if not (index and shards):
        found, expected = "no index or no shards", "both, for the baseline mean"
        remedy = "Give the study's index, and all shards of its images."
        raise InputError([Problem("--index, --mean", found, expected, remedy)])
    store, ids = Store(shards, "images"), read_index(index[0], "train").index
    if len(ids) == 0:
        remedy = "Choose another baseline."
        raise InputError([Problem(str(index[0]), "no train X-ray", "at least one", remedy)])
    total = sum(store[cxr_id].astype(np.uint64) for cxr_id in ids)
    return torch.from_numpy((total / len(ids) / 255).astype(np.float32))
