"""Image classifiers whose last linear layer reads globally averaged features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chexseg import catalog
from chexseg.errors import InputError, Problem, nearest
from chexseg.models.families import Family, family_of, lower_stride


class Normalise(nn.Module):
    """Turns grey images into what networks trained on ImageNet read.

    The grey channel stands in for all three colours, each with ImageNet's mean and deviation.

    Shape:
        image: [B, 1, H, W], float in [0, 1]; result: [B, 3, H, W].
    """

    def __init__(self) -> None:
        super().__init__()
        mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
        deviation = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        if image.ndim != 4 or image.shape[1] != 1:
            raise ValueError(f"images must be grey, [B, 1, H, W], but have {tuple(image.shape)}")
        return (image - self.mean) / self.deviation


def densenet_small() -> nn.Module:
    """Builds a DenseNet for small images on a CPU: 0.6 million weights, none of them pretrained.

    Its growth is 16, its blocks have 3, 6, 12 and 8 layers, and its stem has 32 channels.
    """
    from torchvision.models import DenseNet

    return DenseNet(growth_rate=16, block_config=(3, 6, 12, 8), num_init_features=32)


class Classifier(nn.Module):
    """A network from grey images to logits: features, global average pooling, linear head.

    Args:
        network: torchvision's network, its head sized already; it becomes `backbone`.
        family: how to find features and head in it.

    Attributes:
        backbone: the network under torchvision's names, which pretrained weights fit.
        relu_follows: see `Family`.

    Shape:
        image: [B, 1, H, W], float in [0, 1]; logits: [B, n_outputs].
    """

    def __init__(self, network: nn.Module, family: Family):
        super().__init__()
        self.normalise = Normalise()
        self.backbone = network
        self.relu_follows = family.relu_follows
        self._family = family

    @property
    def head(self) -> nn.Linear:
        """The linear layer from pooled features [B, K] to logits."""
        return self.backbone.get_submodule(self._family.head)

    def stage(self, number: int) -> nn.Module:
        """Returns the module whose output is the features of a stage, 1 to 4 (the last).

        Without dropped strides, their cells have 4, 8, 16 and 32 pixels. The ReLU of a DenseNet
        stands behind the module, and works in place.
        """
        return self.backbone.get_submodule(self._family.stages[number - 1])

    def features(self, image: Tensor) -> Tensor:
        """Returns the last features after their ReLU, [B, K, H / stride, W / stride], >= 0."""
        return self._family.features(self.backbone, self.normalise(image))

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image).mean((2, 3)))


def build_classifier(
    architecture: str, n_outputs: int, *, stride: int = 32, dilate: bool = False
) -> Classifier:
    """Builds a classifier with random weights, drawn from torch's global generator.

    Args:
        architecture: a name that `chexseg.catalog` lists under `architecture`.
        n_outputs: number of logits.
        stride: pixels of the image per cell of the last features: 32, 16, 8 or 4.
        dilate: dilate the convolutions behind a dropped stride; see `lower_stride`.

    Raises:
        InputError: no architecture has that name.
    """
    network = _network(architecture)
    family = family_of(type(network))
    lower_stride(network, family, stride, dilate=dilate)
    head = network.get_submodule(family.head)
    setattr(network, family.head, nn.Linear(head.in_features, n_outputs))
    return Classifier(network, family)


def _network(architecture: str) -> nn.Module:
    names = catalog.names("architecture")
    if architecture not in names:
        remedy = f"Did you mean {nearest(architecture, names)}?"
        raise InputError([Problem("architecture", architecture, f"one of {names}", remedy)])
    return catalog.load("architecture", architecture)()
