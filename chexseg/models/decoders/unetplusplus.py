"""U-Net++."""

from __future__ import annotations

from torch import nn


def unetplusplus(encoder: str, classes: int, channels: int) -> nn.Module:
    """Builds smp's U-Net++, with random weights.

    Source: Zhou et al., "UNet++: a nested U-Net architecture for medical image segmentation",
    DLMIA 2018.

    Args:
        encoder: smp's name of the encoder.
        classes: number of logits per pixel.
        channels: width of the decoder's deepest level; it halves from level to level.
    """
    from segmentation_models_pytorch import UnetPlusPlus

    network = UnetPlusPlus(
        encoder,
        encoder_weights=None,
        decoder_channels=[channels // 2**level for level in range(5)],
        classes=classes,
    )
    # Over VGG, smp builds a centre and never runs it: several GPUs would wait for its gradients.
    network.decoder.center.requires_grad_(False)
    return network
