"""Images that stand for the absence of evidence, at which Integrated Gradients begin."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional


class Baseline(ABC):
    """Makes the baselines of images; the same for an image in every batch."""

    number = 1
    """Baselines of an image."""

    @abstractmethod
    def of(self, image: Tensor) -> Tensor:
        """Returns the baselines of images [B, 1, H, W], as [B, number, 1, H, W]."""


class Black(Baseline):
    """A black image."""

    def of(self, image: Tensor) -> Tensor:
        return torch.zeros_like(image)[:, None]


class Blurred(Baseline):
    """The image itself, blurred: only what is finer counts as evidence (Sturmfels et al., 2020).

    Args:
        share: standard deviation of the Gaussian, as a share of the image's shorter side.
    """

    def __init__(self, share: float):
        self.share = share

    def of(self, image: Tensor) -> Tensor:
        from torchvision.transforms.functional import gaussian_blur

        sigma = self.share * min(image.shape[-2:])
        return gaussian_blur(image, 2 * math.ceil(3 * sigma) + 1, sigma)[:, None]


class Mean(Baseline):
    """A given image, the mean of many.

    Args:
        mean: [H, W], in [0, 1]; resized to images of other sizes.
    """

    def __init__(self, mean: Tensor):
        self.mean = mean

    def of(self, image: Tensor) -> Tensor:
        mean = self.mean[None, None].to(image)
        if mean.shape[-2:] != image.shape[-2:]:
            mean = functional.interpolate(
                mean, image.shape[-2:], mode="bilinear", align_corners=False, antialias=True
            )
        return mean.expand_as(image)[:, None]


class Noise(Baseline):
    """Several images of noise, each pixel uniform in [0, 1]: the same ones for every image.

    Args:
        number: of baselines.
        seed: of the noise.
    """

    def __init__(self, number: int, seed: int):
        self.number, self.seed = number, seed

    def of(self, image: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)  # of the CPU: the same on every device
        noise = torch.rand(self.number, *image.shape[1:], generator=generator)
        return noise.to(image).expand(len(image), -1, -1, -1, -1)
