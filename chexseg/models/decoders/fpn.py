"""Feature pyramid network."""

from __future__ import annotations

from torch import nn

GROUPS = 32
"""Groups of its group normalisations, by which smp's FPN divides the width of the masks' branch."""


def fpn(encoder: str, classes: int, channels: int) -> nn.Module:
    """Builds smp's feature pyramid network, with random weights.

    Source: Kirillov et al., "Panoptic feature pyramid networks", CVPR 2019.

    Args:
        encoder: smp's name of the encoder.
        classes: number of logits per pixel.
        channels: width of the pyramid. The branches of the masks have half of it, rounded up to
            a multiple of 32.
    """
    from segmentation_models_pytorch import FPN

    return FPN(
        encoder,
        encoder_weights=None,
        decoder_pyramid_channels=channels,
        decoder_segmentation_channels=-(-channels // (2 * GROUPS)) * GROUPS,
        classes=classes,
    )
