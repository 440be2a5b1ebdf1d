"""Gradients of several outputs of a classifier from one forward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from chexseg.models.classifier import Classifier
from chexseg.saliency.tape import Tape, UnknownOperation


class Point(ABC):
    """A classifier at N inputs, from which the gradients of its outputs are computed.

    Attributes:
        saved_bytes: memory that is held for the gradients.
        largest_bytes: size of the largest tensor between input and output.
    """

    saved_bytes: int
    largest_bytes: int

    @abstractmethod
    def gradients(self, outputs: Sequence[int]) -> Tensor:
        """Returns the gradients of K logits, each with respect to its own input, [K, N, ...]."""


class Gradients(ABC):
    """Computes gradients of a classifier with respect to its input.

    The input is what an affine map makes of the image: straight paths between images are straight
    there, too. A sum of gradients is taken back to the image at once.
    """

    @abstractmethod
    def input_of(self, image: Tensor) -> Tensor:
        """Returns the affine map of images [N, 1, H, W], [N, ...]."""

    @abstractmethod
    def at(self, values: Tensor) -> Point:
        """Computes the classifier at inputs [N, ...]."""

    @abstractmethod
    def to_image(self, gradient: Tensor, image: Tensor) -> Tensor:
        """Returns gradients with respect to the image, [K, N, 1, H, W].

        Args:
            gradient: with respect to the input, [K, N, ...].
            image: whose shape they get, [N, 1, H, W].
        """


def gradients_of(classifier: nn.Module) -> Gradients:
    """Returns the fastest way to compute the gradients of a classifier, all of which are exact.

    Args:
        classifier: images [N, 1, H, W] to logits [N, n_outputs], in evaluation mode.
    """
    if isinstance(classifier, Classifier):
        try:
            return TapeGradients(classifier, Tape(classifier))
        except UnknownOperation:
            pass
    return AutogradGradients(classifier)


class TapeGradients(Gradients):
    """Takes the gradients of several outputs through a `Tape` together.

    The head is linear in the mean of the features, so the gradients begin there in closed form.
    The input is the result of the first convolution.
    """

    def __init__(self, classifier: Classifier, tape: Tape):
        self.head, self.tape = classifier.head, tape
        # What the first convolution does to differences of grey images, whose colours are alike.
        self.grey = tape.stem.of_grey(1 / tape.normalise.deviation)

    def input_of(self, image: Tensor) -> Tensor:
        image = self.tape.normalise(image).contiguous(memory_format=self.tape.layout)
        return self.tape.stem.forward(image)[0]

    def at(self, values: Tensor) -> Point:
        return _TapePoint(self, values.contiguous(memory_format=self.tape.layout))

    def to_image(self, gradient: Tensor, image: Tensor) -> Tensor:
        return self.grey.backward(gradient, image.shape[1:])[0]


class _TapePoint(Point):
    def __init__(self, network: TapeGradients, values: Tensor):
        self.network = network
        self.features, self.saved, self.largest_bytes = network.tape.forward(values)
        self.saved_bytes = values.nbytes + sum(_bytes(each) for each in self.saved)

    def gradients(self, outputs: Sequence[int]) -> Tensor:
        weight = self.network.head.weight[outputs] / self.features[0, 0].numel()
        n, (height, width) = len(self.features), self.features.shape[2:]
        gradient = weight[:, None, :, None, None].expand(-1, n, -1, height, width)
        gradient = gradient.flatten(0, 1).contiguous(memory_format=self.network.tape.layout)
        return self.network.tape.backward(gradient.unflatten(0, (len(outputs), n)), self.saved)


def _bytes(saved: object) -> int:
    """Returns the size of the tensors that an operation saved."""
    parts = saved if isinstance(saved, tuple) else (saved,)
    return sum(part.nbytes for part in parts if isinstance(part, Tensor))


class AutogradGradients(Gradients):
    """Takes the gradients of one output after the other by autograd, from one forward pass.

    The input is the image itself.
    """

    def __init__(self, classifier: nn.Module):
        self.classifier = classifier

    def input_of(self, image: Tensor) -> Tensor:
        return image

    def at(self, values: Tensor) -> Point:
        return _AutogradPoint(self.classifier, values)

    def to_image(self, gradient: Tensor, image: Tensor) -> Tensor:
        return gradient


class _AutogradPoint(Point):
    def __init__(self, classifier: nn.Module, values: Tensor):
        self.values = values.detach().requires_grad_()
        kept = {self.values.data_ptr(): self.values.nbytes}

        def count(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
            logits = classifier(self.values)
            # Inputs are independent: the sum gives each the gradient of its own logit.
            self.totals = logits.sum(0).unbind()
        self.saved_bytes, self.largest_bytes = sum(kept.values()), max(kept.values())

    def gradients(self, outputs: Sequence[int]) -> Tensor:
        found = [
            torch.autograd.grad(self.totals[k], self.values, retain_graph=True)[0] for k in outputs
        ]
        return torch.stack(found)
