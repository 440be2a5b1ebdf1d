"""The base class of saliency computations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Explanation:
    """Maps, and what a method has measured of each.

    Attributes:
        maps: [B, C, h, w].
        measures: name -> a number for each map, [B, C].
    """

    maps: Tensor
    measures: Mapping[str, Tensor] = field(default_factory=dict)


def mean_of(explanations: Sequence[Explanation]) -> Explanation:
    """Returns the mean of maps of the same grid, and of their measures."""
    measures = {
        name: torch.stack([each.measures[name] for each in explanations]).mean(0)
        for name in explanations[0].measures
    }
    return Explanation(torch.stack([each.maps for each in explanations]).mean(0), measures)


class Explainer(ABC):
    """Explains a classifier by a map for each image and output.

    A method is a subclass that implements `raw_maps`, and `raw_explanation` if it measures
    something of each map, such as its error. It can rely on the classifier being in evaluation mode
    and on autograd being disabled, and may enable it. Its maps may be signed: each method decides
    whether negative evidence counts.

    Args:
        classifier: images [B, 1, H, W] to logits [B, n_outputs].
    """

    def __init__(self, classifier: nn.Module):
        self.classifier = classifier

    def maps(self, image: Tensor, outputs: Sequence[int]) -> Tensor:
        """Computes the maps of a batch of images; each map is independent of the rest of the batch.

        Args:
            image: [B, 1, H, W], float in [0, 1], on the classifier's device.
            outputs: indices of C logits. Under the label policy `multiclass`, use the positive
                ones: see `positive_outputs` in `chexseg.losses.classification`.

        Returns:
            [B, C, h, w], float32, at the native resolution of the method: unscaled evidence for
            each output. A map without evidence is 0 everywhere.
        """
        return self.explain(image, outputs).maps

    def explain(self, image: Tensor, outputs: Sequence[int]) -> Explanation:
        """Computes the maps of a batch of images as `maps` does, and what is measured of them."""
        was_training = self.classifier.training
        self.classifier.eval()  # in training mode BatchNorm would mix the images of a batch
        try:
            with torch.no_grad():
                found = self.raw_explanation(image, list(outputs))
        finally:
            self.classifier.train(was_training)
        measures = {name: each.detach().float() for name, each in found.measures.items()}
        return Explanation(found.maps.detach().float(), measures)

    def raw_explanation(self, image: Tensor, outputs: list[int]) -> Explanation:
        """Returns the maps with measures, for a method that has any."""
        return Explanation(self.raw_maps(image, outputs))

    @abstractmethod
    def raw_maps(self, image: Tensor, outputs: list[int]) -> Tensor:
        """Returns the maps, [B, C, h, w]."""
