"""Consistency between a weakly and a strongly changed X-ray (FixMatch; UniMatch, CVPR 2023).

What a model predicts with confidence for a batch is the target for a stronger version of it. Of
UniMatch (Yang et al.), this is the stream of images with one strong version; it differs in that
every X-ray of a batch takes part, whatever masks it has. X-rays are not pasted into each other
(CutMix), since anatomy and its sides matter. As in its code, strong images pass the model by
themselves, so that BatchNorm's statistics see them too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from chexseg.losses.cross_entropy import cross_entropy_loss

CONTRAST, BRIGHTNESS, GAMMA = 0.5, 0.25, 0.5
HOLES, LARGEST_HOLE = 3, 0.3
"""Rectangles that are painted grey, and their longest side as a share of the image's."""

STRONG_NUMBERS = 3 + 4 * HOLES
"""Random numbers that `strengthen` takes for an X-ray."""


def strengthen(image: Tensor, noise: Tensor) -> Tensor:
    """Re-exposes images strongly and hides parts of them; nothing moves.

    Args:
        image: [B, 1, H, W] in [0, 1].
        noise: [B, STRONG_NUMBERS], from `draw_noise`.

    Returns:
        Images of the same shape, in [0, 1].
    """
    numbers = noise.to(image.device).T[..., None, None, None]
    contrast, brightness, gamma = numbers[:3]
    image = image ** (1 + gamma * GAMMA)
    mean = image.mean((1, 2, 3), keepdim=True)
    image = (image - mean) * (1 + contrast * CONTRAST) + mean + brightness * BRIGHTNESS
    _, _, height, width = image.shape
    rows = torch.linspace(0, 1, height, device=image.device).view(1, 1, -1, 1)
    columns = torch.linspace(0, 1, width, device=image.device).view(1, 1, 1, -1)
    for down, right, tall, wide in ((numbers[3:] + 1) / 2).unflatten(0, (HOLES, 4)):
        inside = (rows - down).abs() < tall * LARGEST_HOLE / 2
        inside = inside & ((columns - right).abs() < wide * LARGEST_HOLE / 2)
        image = image.where(~inside, mean)
    return image.clamp(0, 1)


def consistency_loss(strong: Tensor, weak: Tensor, confidence: float) -> Tensor:
    """Returns the cross-entropy of the strong version against the confident pixels of the weak one.

    Args:
        strong: logits [B, P, H, W] of `strengthen`'s images.
        weak: logits [B, P, H, W] of the images themselves; they get no gradient.
        confidence: pixels count whose probability is at least this, or at most 1 minus this.

    Returns:
        A scalar; 0, with gradient 0, if no pixel is confident.
    """
    probability = weak.detach().float().sigmoid()
    sure = (probability >= confidence) | (probability <= 1 - confidence)
    return cross_entropy_loss(strong, (probability > 0.5).float(), sure.float())
