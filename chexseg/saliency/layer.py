"""Explainers that look at the activations of one layer, and at the gradients there."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from chexseg.models.classifier import Classifier
from chexseg.saliency.explainer import Explainer


class LayerExplainer(Explainer):
    """Explains a classifier by the activations of a layer and the gradients of its outputs there.

    A method is a subclass with two functions: `combined` makes a map of activations and gradients;
    `closed_form` makes all maps of the last features at once, without gradients, since the head is
    linear in their mean.

    The graph begins at the layer, so what lies before it is computed as for inference, once for
    all outputs; each output then takes one backward pass, for the whole batch.

    If the output of a layer is modified in place, as norm5's is by its ReLU, the activations are
    the modified values, while the gradient is taken before the modification. pytorch-grad-cam does
    the same on a CPU.

    Args:
        classifier: a `Classifier`; with `layer`, any network from images to logits.
        layer: a module of the classifier whose output is used; None: the last features, in closed
            form.

    Raises:
        TypeError: the network is no `Classifier`, so it needs a layer.
    """

    def __init__(self, classifier: nn.Module, *, layer: nn.Module | None = None):
        super().__init__(classifier)
        if layer is None and not isinstance(classifier, Classifier):
            raise TypeError("only a Classifier has a closed form: pass the layer")
        self.layer = layer

    def raw_maps(self, image: Tensor, outputs: list[int]) -> Tensor:
        if self.layer is None:
            features = self.classifier.features(image)
            return self.closed_form(features, self.classifier.head.weight[outputs])
        return self._by_gradient(image, outputs)

    @abstractmethod
    def closed_form(self, features: Tensor, weight: Tensor) -> Tensor:
        """Returns the maps [B, C, h, w] of the last features.

        Args:
            features: [B, K, h, w], after their ReLU.
            weight: [C, K], the head's weights of the outputs.
        """

    @abstractmethod
    def combined(self, activations: Tensor, gradient: Tensor) -> Tensor:
        """Returns the map [B, h, w] of an output.

        Args:
            activations: [B, K, h, w].
            gradient: of the output with respect to them, [B, K, h, w].
        """

    def _by_gradient(self, image: Tensor, outputs: list[int]) -> Tensor:
        kept = {}

        def begin(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
            kept["start"] = output.detach().requires_grad_()
            handed_on = kept["start"].clone()  # a change in place must not meet the start itself
            kept["activations"] = handed_on.detach()
            return handed_on

        handle = self.layer.register_forward_hook(begin)
        try:
            with torch.enable_grad():
                logits = self.classifier(image)
                # Images are independent: the sum gives each image the gradient of its own logit.
                totals = [logits[:, output].sum() for output in outputs]
        finally:
            handle.remove()
        maps = []
        for total in totals:
            (gradient,) = torch.autograd.grad(total, kept["start"], retain_graph=True)
            maps.append(self.combined(kept["activations"], gradient))
        return torch.stack(maps, 1)
