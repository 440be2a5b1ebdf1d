"""Image classifiers whose last linear layer reads globally averaged features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chexseg.errors import InputError, Problem, nearest


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


@dataclass(frozen=True)
class Family:
    """What the architectures of one family share.

    Attributes:
        head: name of the linear layer in torchvision's network.
        features: network and normalised image -> last features, after their ReLU.
        relu_follows: Grad-CAM's target layer stands before that ReLU (DenseNet's norm5), not
            behind it (ResNet's layer4).
        drop_stride: halves the stride of stage 4, 3 or 2 of the network; the last argument is
            the dilation in force before the stage and behind it.
    """

    head: str
    features: Callable[[nn.Module, Tensor], Tensor]
    relu_follows: bool
    drop_stride: Callable[[nn.Module, int, tuple[int, int]], None]


def _densenet_features(network: nn.Module, image: Tensor) -> Tensor:
    # In place, as torchvision does it: hooks on norm5 see what they see in torchvision's network.
    return nn.functional.relu(network.features(image), inplace=True)


def _resnet_features(network: nn.Module, image: Tensor) -> Tensor:
    stem = network.maxpool(network.relu(network.bn1(network.conv1(image))))
    return network.layer4(network.layer3(network.layer2(network.layer1(stem))))


def _dilate(convolution: nn.Conv2d, dilation: int) -> None:
    convolution.dilation = (dilation, dilation)
    convolution.padding = tuple(dilation * (side // 2) for side in convolution.kernel_size)


def _drop_densenet_stride(network: nn.Module, stage: int, dilations: tuple[int, int]) -> None:
    features = network.features
    features.get_submodule(f"transition{stage - 1}").pool = nn.Identity()
    for module in features.get_submodule(f"denseblock{stage}").modules():
        if isinstance(module, nn.Conv2d):
            _dilate(module, dilations[1])


def _drop_resnet_stride(network: nn.Module, stage: int, dilations: tuple[int, int]) -> None:
    dilation = dilations[0]
    blocks = network.get_submodule(f"layer{stage}")
    for name, module in blocks.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        if "downsample" in name:
            module.stride = (1, 1)
            continue
        # The convolution with the stride still reads the finer grid; those behind it do not.
        _dilate(module, dilation)
        if module.stride != (1, 1):
            module.stride = (1, 1)
            dilation = dilations[1]


DENSENET = Family("classifier", _densenet_features, True, _drop_densenet_stride)
RESNET = Family("fc", _resnet_features, False, _drop_resnet_stride)


def _densenet_small() -> nn.Module:
    from torchvision.models import DenseNet

    return DenseNet(growth_rate=16, block_config=(3, 6, 12, 8), num_init_features=32)


def _from_torchvision(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from torchvision.models import get_model

        return get_model(name, weights=None)

    return build


ARCHITECTURES: dict[str, tuple[Family, Callable[[], nn.Module]]] = {
    "densenet121": (DENSENET, _from_torchvision("densenet121")),
    "densenet_small": (DENSENET, _densenet_small),
    "resnet18": (RESNET, _from_torchvision("resnet18")),
    "resnet50": (RESNET, _from_torchvision("resnet50")),
}
"""Family and builder of each architecture's network."""


def lower_stride(network: nn.Module, family: Family, stride: int, *, dilate: bool) -> None:
    """Lowers the output stride of a DenseNet or ResNet in place; weights and names stay.

    DenseNet loses the pools of its last transitions, ResNet the strides of its last stages. With
    `dilate`, the convolutions behind a lost stride are dilated, so that pretrained weights meet
    the receptive field that they learnt; a ResNet then computes its features of stride 32
    exactly, and those in between (Yu et al., CVPR 2017).

    Args:
        stride: 32 (nothing changes), 16, 8 or 4.
    """
    if stride not in (32, 16, 8, 4):
        raise ValueError(f"stride must be 32, 16, 8 or 4, not {stride}")
    dropped = {32: (), 16: (4,), 8: (3, 4), 4: (2, 3, 4)}[stride]
    for power, stage in enumerate(dropped):
        dilations = (2**power, 2 ** (power + 1)) if dilate else (1, 1)
        family.drop_stride(network, stage, dilations)


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
        architecture: `densenet121`, `resnet18` or `resnet50` are torchvision's. `densenet_small`
            is a DenseNet with growth 16, blocks of 3, 6, 12 and 8 layers and 32 first features
            (0.6 million weights), for small images on a CPU; no pretrained weights exist for it.
        n_outputs: number of logits.
        stride: pixels of the image per cell of the last features: 32, 16, 8 or 4.
        dilate: dilate the convolutions behind a dropped stride; see `lower_stride`.

    Raises:
        InputError: no architecture has that name.
    """
    if architecture not in ARCHITECTURES:
        names = tuple(ARCHITECTURES)
        remedy = f"Did you mean {nearest(architecture, names)}?"
        raise InputError([Problem("architecture", architecture, f"one of {names}", remedy)])
    family, build = ARCHITECTURES[architecture]
    network = build()
    lower_stride(network, family, stride, dilate=dilate)
    head = network.get_submodule(family.head)
    setattr(network, family.head, nn.Linear(head.in_features, n_outputs))
    return Classifier(network, family)
