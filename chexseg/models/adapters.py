"""Adapters: bottleneck convolutions beside the convolutions of a network, which stay frozen.

A convolution W with an adapter computes W(x) + U(D(x)). D has the kernel, stride and dilation of W
and few output channels, the rank; U is a 1 x 1 convolution, zero at first, so that the network
starts as it was. Both are linear, so an adapter merges into the weights of W exactly.

Sources: adapters in parallel to the convolutions of a ResNet are those of Rebuffi, Bilen, Vedaldi,
"Efficient parametrization of multi-domain deep neural networks", CVPR 2018; the low rank and the
zero start are LoRA's (Hu et al., ICLR 2022).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

DOWN, UP = ".adapter.down.weight", ".adapter.up.weight"
"""Endings of the names of an adapter's tensors."""


class Adapter(nn.Module):
    """The bottleneck beside a convolution.

    Args:
        convolution: the convolution.
        rank: channels between the two convolutions of the bottleneck.
    """

    def __init__(self, convolution: nn.Conv2d, rank: int):
        super().__init__()
        self.down = nn.Conv2d(
            convolution.in_channels,
            rank,
            convolution.kernel_size,
            stride=convolution.stride,
            padding=convolution.padding,
            dilation=convolution.dilation,
            padding_mode=convolution.padding_mode,
            bias=False,
        )
        self.up = nn.Conv2d(rank, convolution.out_channels, 1, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, features: Tensor) -> Tensor:
        return self.up(self.down(features))


class AdaptedConv2d(nn.Conv2d):
    """A convolution with an adapter; its own tensors keep their names.

    Args:
        convolution: the convolution, whose tensors it takes.
        rank: see `Adapter`.
    """

    def __init__(self, convolution: nn.Conv2d, rank: int):
        super().__init__(**_form_of(convolution))
        self.weight, self.bias = convolution.weight, convolution.bias
        self.adapter = Adapter(convolution, rank)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features) + self.adapter(features)


def add_adapters(module: nn.Module, rank: int) -> list[nn.Parameter]:
    """Puts an adapter beside every convolution in a module that is wider than the adapter.

    Grouped convolutions get none, nor do those that compute more than a convolution, such as those
    that pad by themselves, or that are frozen: a segmenter does not run all of them.

    Args:
        module: the module, changed in place.
        rank: channels of each bottleneck; at most half of its convolution's inputs and outputs.

    Returns:
        The parameters of the adapters.
    """
    names = [name for name, each in module.named_modules() if _takes_adapter(each, rank)]
    return [each for name in names for each in _adapt(module, name, rank).adapter.parameters()]


def restore_adapters(module: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Adds the adapters whose tensors are in a state dict of a module; their values are not read.

    Raises:
        ValueError: the module has no convolution where the state dict has an adapter.
    """
    convolutions = {name for name, each in module.named_modules() if type(each) is nn.Conv2d}
    for name, tensor in state_dict.items():
        if name.endswith(DOWN):
            if (convolution := name.removesuffix(DOWN)) not in convolutions:
                raise ValueError(f"an adapter without a convolution: {convolution}")
            _adapt(module, convolution, len(tensor))


def merged(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns a state dict in which adapters are added to the weights of their convolutions."""
    plain = stripped(state_dict)
    for name, up in state_dict.items():
        if name.endswith(UP):
            convolution = name.removesuffix(UP)
            down = state_dict[convolution + DOWN]
            plain[f"{convolution}.weight"] = merged_weight(plain[f"{convolution}.weight"], down, up)
    return plain


def stripped(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns a state dict without adapters."""
    return {name: each for name, each in state_dict.items() if not name.endswith((DOWN, UP))}


@torch.no_grad()
def merged_weight(weight: Tensor, down: Tensor, up: Tensor) -> Tensor:
    """Returns the weight of a convolution that computes what it and its adapter do.

    Args:
        weight: [O, I, k, k].
        down: [rank, I, k, k].
        up: [O, rank, 1, 1].
    """
    return weight + (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)


def _takes_adapter(module: nn.Module, rank: int) -> bool:
    return (
        type(module) is nn.Conv2d
        and module.weight.requires_grad
        and module.groups == 1
        and 2 * rank <= min(module.in_channels, module.out_channels)
    )


def _adapt(module: nn.Module, name: str, rank: int) -> AdaptedConv2d:
    adapted = AdaptedConv2d(module.get_submodule(name), rank)
    module.set_submodule(name, adapted)
    return adapted


def _form_of(convolution: nn.Conv2d) -> dict:
    """Returns the arguments of a convolution of the same form whose tensors take no memory."""
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation")
    form = {name: getattr(convolution, name) for name in (*names, "groups", "padding_mode")}
    return {**form, "bias": convolution.bias is not None, "device": "meta"}
