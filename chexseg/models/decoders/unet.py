"""U-Net."""

from __future__ import annotations

from torch import nn


def unet(encoder: str, classes: int, channels: int) -> nn.Module:
    """Builds smp's U-Net, with random weights.

    Source: Ronneberger et al., "U-Net: convolutional networks for biomedical image
    segmentation", MICCAI 2015.

    Args:
        encoder: smp's name of the encoder.
        classes: number of logits per pixel.
        channels: width of the decoder's deepest level; it halves from level to level.
    """
    from segmentation_models_pytorch import Unet

    return Unet(
        encoder,
        encoder_weights=None,
        decoder_channels=[channels // 2**level for level in range(5)],
        classes=classes,
    )
