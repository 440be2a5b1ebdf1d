"""Integrated Gradients (Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks", 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor, nn
from torch.nn import functional

from chexseg.saliency.baselines import Baseline
from chexseg.saliency.explainer import Explainer, Explanation
from chexseg.saliency.gradients import gradients_of
from chexseg.saliency.passes import Passes, Sizes, plan_passes


def gauss_legendre(steps: int) -> tuple[list[float], list[float]]:
    """Returns nodes in (0, 1) and weights, which sum to 1, of Gauss-Legendre quadrature."""
    nodes, weights = leggauss(steps)
    return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()


class IntegratedGradients(Explainer):
    """Distributes the difference of a logit between an image and a baseline over the pixels.

    With baseline x', the attribution of a pixel is (x - x') times the mean gradient on the straight
    path from x' to x, by Gauss-Legendre quadrature, as in captum. With several baselines it is the
    mean. Attributions of all pixels sum to f(x) - f(x'), but for the error of the quadrature
    (completeness); it is measured for each map, as `completeness_error`, in logits, beside
    `logit_difference`, f(x) - f(x'). Both are means over baselines and noisy copies.

    The gradients of all outputs share a forward pass (`chexseg.saliency.gradients`), and the first,
    linear layer is passed once a path, not once a step.

    Args:
        classifier: images [B, 1, H, W] to logits [B, n_outputs], in evaluation mode.
        baseline: makes the baselines.
        steps: nodes of the quadrature.
        absolute: take the absolute value of each pixel's attribution.
        cell: side of the cells over which attributions are summed.
        budget: memory of the gradients in bytes.
        noisy_copies: SmoothGrad-squared (Hooker et al., NeurIPS 2019): the attributions of so many
            noisy copies of the image are squared and averaged; of the mean, the root is taken, so
            that maps have the unit of attributions. 0: explain the image itself.
        noise: standard deviation of that noise, in grey levels from 0 to 1.
        seed: of that noise, which is the same for all images.
    """

    def __init__(
        self,
        classifier: nn.Module,
        *,
        baseline: Baseline,
        steps: int,
        absolute: bool = False,
        cell: int = 1,
        budget: float = 1e9,
        noisy_copies: int = 0,
        noise: float = 0.15,
        seed: int = 0,
    ):
        super().__init__(classifier)
        self.network = gradients_of(classifier)
        self.baseline, self.absolute, self.cell = baseline, absolute, cell
        self.nodes, self.weights = gauss_legendre(steps)
        self.budget = budget
        self.noisy_copies, self.noise, self.seed = noisy_copies, noise, seed
        self._sizes: dict[tuple[int, ...], Sizes] = {}

    def raw_maps(self, image: Tensor, outputs: list[int]) -> Tensor:
        return self.raw_explanation(image, outputs).maps

    def raw_explanation(self, image: Tensor, outputs: list[int]) -> Explanation:
        total, errors, differences = 0, 0, 0
        copies = self._copies(image)
        for copy in copies:
            maps, error, difference = self._mean_over_baselines(copy, outputs)
            total = total + (maps**2 if self.noisy_copies else maps) / len(copies)
            errors = errors + error / len(copies)
            differences = differences + difference / len(copies)
        if self.noisy_copies:
            total = total.sqrt()
        maps = _cells(total.abs() if self.absolute else total, self.cell)
        return Explanation(maps, {"completeness_error": errors, "logit_difference": differences})

    def _copies(self, image: Tensor) -> list[Tensor]:
        """Returns the images that are explained: the image itself, or noisy copies of it."""
        if not self.noisy_copies:
            return [image]
        generator = torch.Generator().manual_seed(self.seed)
        shape = (self.noisy_copies, *image.shape[1:])
        noise = self.noise * torch.randn(shape, generator=generator).to(image)
        return [image + each for each in noise]

    def _mean_over_baselines(
        self, image: Tensor, outputs: list[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns maps [B, C, H, W], their completeness errors and differences of logits, [B, C]."""
        sums = [torch.zeros(()), torch.zeros(()), torch.zeros(())]
        starts = self.baseline.of(image).unbind(1)
        for start in starts:
            attributions, difference = self.of_paths(start, image, outputs)
            error = (attributions.sum((2, 3)) - difference).abs()
            found = (attributions, error, difference)
            sums = [total.to(each) + each for total, each in zip(sums, found, strict=True)]
        return tuple(total / len(starts) for total in sums)

    def of_paths(
        self, starts: Tensor, ends: Tensor, outputs: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Returns the attributions of several paths, and the differences of logits at their ends.

        Args:
            starts: baselines, [M, 1, H, W].
            ends: the images explained, [M, 1, H, W].
            outputs: indices of C logits.

        Returns:
            Attributions [M, C, H, W], and logits at the ends less logits at the starts, [M, C].
        """
        passes = self._passes(ends[:1], len(outputs))
        attributions, differences = [], []
        for start, end in zip(starts.split(passes.paths), ends.split(passes.paths), strict=True):
            first, last = self.network.input_of(start), self.network.input_of(end)
            total = self._integral(first, last, outputs, passes)
            gradient = self.network.to_image(total, end).squeeze(2).transpose(0, 1)
            attributions.append(gradient * (end - start))
            difference = self.classifier(end) - self.classifier(start)
            differences.append(difference[:, outputs])
        return torch.cat(attributions), torch.cat(differences)

    def _integral(
        self, start: Tensor, end: Tensor, outputs: Sequence[int], passes: Passes
    ) -> Tensor:
        """Returns the mean gradient on paths from `start` to `end` [G, ...], as [C, G, ...]."""
        shape, n = start.shape, len(outputs)
        total = start.new_zeros(n * shape[0], *shape[1:]).contiguous(
            memory_format=torch.channels_last  # as gradients are on a CPU
        )
        total = total.unflatten(0, (n, shape[0]))
        copies = [
            (path, node, weight)
            for path in range(len(start))
            for node, weight in zip(self.nodes, self.weights, strict=True)
        ]
        for first in range(0, len(copies), passes.copies):
            part = copies[first : first + passes.copies]
            inputs = [torch.lerp(start[path], end[path], node) for path, node, _ in part]
            point = self.network.at(torch.stack(inputs))
            for low in range(0, n, passes.outputs):
                several = slice(low, low + passes.outputs)
                gradients = point.gradients(outputs[several])
                for number, (path, _, weight) in enumerate(part):
                    total[several, path].add_(gradients[:, number], alpha=weight)
        return total

    def _passes(self, image: Tensor, outputs: int) -> Passes:
        """Returns what goes through the network at once, for images of the shape of this one."""
        if (shape := tuple(image.shape)) not in self._sizes:
            values = self.network.input_of(image)
            point = self.network.at(values)
            self._sizes[shape] = Sizes(point.saved_bytes, point.largest_bytes, values.nbytes)
        return plan_passes(
            self._sizes[shape],
            self.budget,
            steps=len(self.nodes),
            outputs=outputs,
            on_cpu=image.device.type == "cpu",
        )


def _cells(maps: Tensor, side: int) -> Tensor:
    """Returns the sums of maps [B, C, H, W] over cells; those at the lower right may be smaller."""
    height, width = maps.shape[-2:]
    filled = functional.pad(maps, (0, -width % side, 0, -height % side))
    return functional.avg_pool2d(filled, side) * side**2
