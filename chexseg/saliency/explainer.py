"""What explains a classifier: a map for each image and output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Explainer(ABC):
    """What a classifier looks at: a map per image and output.

    A method is a subclass with `raw_maps`. It may count on a classifier in evaluation mode, and
    on a disabled autograd that it may enable. Its maps may be signed: whether negative evidence
    counts is its own business.

    Args:
        classifier: images [B, 1, H, W] to logits [B, n_outputs].
    """

    def __init__(self, classifier: nn.Module):
        self.classifier = classifier

    def maps(self, image: Tensor, outputs: Sequence[int]) -> Tensor:
        """Computes the maps of images, each by itself: its batch does not change an image's maps.

        Args:
            image: [B, 1, H, W], float in [0, 1], on the classifier's device.
            outputs: indices of C logits. Under the label policy `multiclass` these are the
                positive ones: see `positive_outputs` in `chexseg.losses.classification`.

        Returns:
            [B, C, h, w], float32, at the method's own resolution: evidence for each output,
            unscaled. A map without evidence is 0 everywhere.
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
