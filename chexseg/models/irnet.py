"""IRNet: finds the boundaries of pathologies, and where each pixel's region has its centre.

Source: Ahn, Cho, Kwak, "Weakly supervised learning of instance segmentation with inter-pixel
relations", CVPR 2019, section 3.2; `EdgeDisplacement` in its published code.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chexseg.models.folding import folded

if TYPE_CHECKING:
    from torchvision.models import ResNet

EDGE_CHANNELS = 32
DISPLACEMENT_CHANNELS = (64, 128, 256, 256, 256)


class IRNet(nn.Module):
    """Edge and displacement branches over a frozen ResNet.

    Args:
        backbone: torchvision's ResNet, with its weights. It is copied.
        normalise: turns images into what the backbone reads, [B, 3, H, W]; None: they are that.

    Attributes:
        backbone: the copy, without its last linear layer and with stride 1 in `layer4`, so that
            the five scales have strides 4, 4, 8, 16 and 16. Its names are torchvision's. It is
            never trained: no gradients, and batch normalisation by its running statistics.
    """

    def __init__(self, backbone: ResNet, normalise: nn.Module | None = None):
        super().__init__()
        self.normalise = normalise or nn.Identity()
        self.backbone = copy.deepcopy(backbone)
        self.backbone.fc = nn.Identity()
        for module in self.backbone.layer4.modules():
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
        self.backbone.requires_grad_(False).eval()
        layers = (self.backbone.layer1, self.backbone.layer2, self.backbone.layer3)
        widths = [self.backbone.conv1.out_channels]
        widths += [_width(layer) for layer in (*layers, self.backbone.layer4)]
        self.edge = _EdgeBranch(widths)
        self.displacement = _DisplacementBranch(widths)
        self.mean_shift = MeanShift(2)

    def train(self, mode: bool = True) -> IRNet:
        """Sets the branches to training or evaluation; the backbone stays in evaluation."""
        super().train(mode)
        self.backbone.eval()
        return self

    def edge_and_displacement(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Returns edge logits and displacements at a quarter of the image's size.

        Args:
            image: [B, C, H, W], as `normalise` reads it.

        Returns:
            Edge logits [B, 1, ceil(H / 4), ceil(W / 4)], and displacements [B, 2, ceil(H / 4),
            ceil(W / 4)]: rows down and columns right to the centre of the pixel's region, in
            pixels of that grid. In evaluation their mean over the training set is subtracted.
        """
        features = self._features(image)
        return self.edge(features), self.mean_shift(self.displacement(features))

    def edges(self, image: Tensor) -> Tensor:
        """Returns the edge logits of `edge_and_displacement`, without computing displacements."""
        return self.edge(self._features(image))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Same as `edge_and_displacement`."""
        return self.edge_and_displacement(image)

    @torch.no_grad()
    def fit_mean_shift(
        self, images: Iterable[Tensor], of_all: Callable[[Tensor], Tensor] = lambda rows: rows
    ) -> None:
        """Measures the mean displacement that evaluation subtracts, over batches of images.

        No batches leave it as it is. Every image counts the same.

        Args:
            images: batches [B, 1, S, S].
            of_all: where several processes have a share of the images each: [1, 3] of this
                process -> [processes, 3] of all of them.
        """
        total, count = torch.zeros(2), 0
        for image in images:
            displacement = self.displacement(self._features(image))
            total += displacement.float().mean((2, 3)).sum(0).cpu()
            count += len(image)
        sums = of_all(torch.tensor([[*total, count]])).sum(0)
        if sums[2]:
            self.mean_shift.mean.copy_(sums[:2] / sums[2])

    @torch.no_grad()
    def _features(self, image: Tensor) -> list[Tensor]:
        network = self.backbone
        image = self.normalise(image)
        features = [network.maxpool(network.relu(network.bn1(network.conv1(image))))]
        for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
            features.append(layer(features[-1]))
        return features

    def parameter_groups(self, learning_rate: float) -> list[dict]:
        """Returns the groups for an optimizer: displacement learns at ten times the edges' rate."""
        return [
            {"params": list(self.edge.parameters()), "lr": learning_rate},
            {"params": list(self.displacement.parameters()), "lr": 10 * learning_rate},
        ]


@torch.no_grad()
def flip_averaged_edge(model: IRNet, image: Tensor) -> Tensor:
    """Returns edge probabilities [B, ceil(H / 4), ceil(W / 4)] of `image` [B, C, H, W].

    The logits of the image and of its mirror image are averaged, as in the published code.
    """
    logits, mirrored = model.edges(image), model.edges(image.flip(-1))
    return ((logits + mirrored.flip(-1)) / 2).sigmoid()[:, 0]


def for_inference(model: IRNet) -> IRNet:
    """Returns a copy for inference that is about twice as fast; values differ by rounding only.

    The backbone's batch normalisation is folded into its convolutions (see `folded`), and its
    weights are stored with the channels innermost.
    """
    return folded(model).to(memory_format=torch.channels_last)


class MeanShift(nn.Module):
    """Subtracts `mean` in evaluation, and nothing while training.

    The losses compare displacements of pairs of pixels, so that a constant added to all of them
    goes unnoticed there; `IRNet.fit_mean_shift` measures it after training, as published.

    Shapes: [B, channels, H, W] in and out; `mean` is [channels].
    """

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))

    def forward(self, values: Tensor) -> Tensor:
        return values if self.training else values - self.mean[:, None, None]


class _EdgeBranch(nn.Module):
    """Five scales to 32 channels each at stride 4, and those to one logit."""

    def __init__(self, widths: list[int]):
        super().__init__()
        self.scales = nn.ModuleList(_project(width, EDGE_CHANNELS, 4) for width in widths)
        self.join = nn.Conv2d(EDGE_CHANNELS * len(widths), 1, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        size = features[0].shape[-2:]
        factors = (1, 1, 2, 4, 4)
        edges = [
            _upsample(scale(feature), factor, size).relu()
            for scale, feature, factor in zip(self.scales, features, factors, strict=True)
        ]
        return self.join(torch.cat(edges, 1))


class _DisplacementBranch(nn.Module):
    """Strides 8 and 16 joined at stride 8, then with stride 4 at stride 4."""

    def __init__(self, widths: list[int]):
        super().__init__()
        groups = (8, 16, 16, 16, 16)
        self.scales = nn.ModuleList(
            _project(width, channels, group)
            for width, channels, group in zip(widths, DISPLACEMENT_CHANNELS, groups, strict=True)
        )
        self.join_coarse = _project(sum(DISPLACEMENT_CHANNELS[2:]), 256, 16)
        self.join = nn.Sequential(
            _project(sum(DISPLACEMENT_CHANNELS[:2]) + 256, 256, 16),
            nn.ReLU(),
            nn.Conv2d(256, 2, 1, bias=False),
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        fine = features[0].shape[-2:]
        coarse = features[2].shape[-2:]
        scales = [scale(feature) for scale, feature in zip(self.scales, features, strict=True)]
        joined = torch.cat(
            [
                scales[2].relu(),
                _upsample(scales[3], 2, coarse).relu(),
                _upsample(scales[4], 2, coarse).relu(),
            ],
            1,
        )
        joined = _upsample(self.join_coarse(joined), 2, fine).relu()
        return self.join(torch.cat([scales[0].relu(), scales[1].relu(), joined], 1))


def _project(inputs: int, outputs: int, groups: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.GroupNorm(groups, outputs))


def _upsample(values: Tensor, factor: int, size: torch.Size) -> Tensor:
    """Enlarges by a whole factor and cuts off what odd sizes leave over."""
    if factor > 1:
        values = F.interpolate(values, scale_factor=factor, mode="bilinear", align_corners=False)
    return values[..., : size[0], : size[1]]


def _width(layer: nn.Sequential) -> int:
    """Returns the channels that a layer ends with: those of its last block's last convolution."""
    convolutions = [module for module in layer[-1].modules() if isinstance(module, nn.Conv2d)]
    return convolutions[-1].out_channels
