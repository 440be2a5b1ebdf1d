"""Networks for inference: batch normalisation folded into the convolutions before it."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class OneDNNConv2d(nn.Module):
    """A convolution that a CPU always computes with oneDNN.

    On one thread, torch leaves 1 x 1 convolutions of fewer than 16 images to a matrix product of
    MKL, which takes twice as long on AMD processors.

    Args:
        convolution: its weights are shared, not copied. It must pad with zeros.
    """

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self.options = {
            name: getattr(convolution, name) for name in ("padding", "stride", "dilation", "groups")
        }

    def forward(self, values: Tensor) -> Tensor:
        if values.device.type == "cpu" and torch.backends.mkldnn.is_available():
            return torch.mkldnn_convolution(values, self.weight, self.bias, **self.options)
        return F.conv2d(values, self.weight, self.bias, **self.options)


def folded(network: nn.Module) -> nn.Module:
    """Returns a copy of a network for inference, with batch normalisation folded into convolutions.

    A batch normalisation in evaluation is a factor and a shift of each channel. They become part of
    the convolution before it, so that its values are computed in one pass over memory. That is the
    child right before it in the same module, as in torchvision's ResNets; where that child is no
    convolution, the normalisation stays.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(network.modules()):
        for (name, convolution), (follower, normalisation) in pairwise(module.named_children()):
            pair = isinstance(convolution, nn.Conv2d), isinstance(normalisation, nn.BatchNorm2d)
            if all(pair):
                fused = fuse_conv_bn_eval(convolution, normalisation)
                setattr(module, name, OneDNNConv2d(fused))
                setattr(module, follower, nn.Identity())
    return network
