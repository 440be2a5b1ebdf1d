"""The base class of saliency computations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Explainer(ABC):
    """Explains a classifier by a map for each image and output.

    A method is a subclass that implements `raw_maps`. It can rely on the classifier being in
    evaluation mode and on autograd being disabled, and may enable it. Its maps may be signed:
    each method decides whether negative evidence counts.

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
        was_training = self.classifier.training
        self.classifier.eval()  # in training mode BatchNorm would mix the images of a batch
        try:
            with torch.no_grad():
                return self.raw_maps(image, list(outputs)).detach().float()
        finally:
            self.classifier.train(was_training)

    @abstractmethod
    def raw_maps(self, image: Tensor, outputs: list[int]) -> Tensor:
        """Returns the maps, [B, C, h, w]."""
