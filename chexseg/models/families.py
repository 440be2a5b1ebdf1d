"""Families of networks: what ResNets share, and what DenseNets share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Family:
    """What the architectures of one family share.

    Attributes:
        head: name of the linear layer in torchvision's network.
        features: network and normalised image -> last features, after their ReLU.
        relu_follows: Grad-CAM's target layer stands before that ReLU (DenseNet's norm5), not
            behind it (ResNet's layer4).
        stages: names of the modules whose outputs are the features of the stages 1 to 4, each
            normalised, and the last the one that `relu_follows` speaks of.
        drop_stride: halves the stride of stage 4, 3 or 2 of the network; the last argument is
            the dilation in force before the stage and behind it.
    """

    head: str
    features: Callable[[nn.Module, Tensor], Tensor]
    relu_follows: bool
    stages: tuple[str, str, str, str]
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


_NORMS = ("transition1.norm", "transition2.norm", "transition3.norm", "norm5")
DENSENET = Family(
    head="classifier",
    features=_densenet_features,
    relu_follows=True,
    stages=tuple(f"features.{norm}" for norm in _NORMS),
    drop_stride=_drop_densenet_stride,
)
RESNET = Family(
    head="fc",
    features=_resnet_features,
    relu_follows=False,
    stages=("layer1", "layer2", "layer3", "layer4"),
    drop_stride=_drop_resnet_stride,
)


def family_of(network: type[nn.Module]) -> Family | None:
    """Returns the family of a class of torchvision's, or of a subclass, as smp has them.

    None: it belongs to neither.
    """
    from torchvision.models import DenseNet, ResNet

    kinds = ((DenseNet, DENSENET), (ResNet, RESNET))
    return next((family for kind, family in kinds if issubclass(network, kind)), None)


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
