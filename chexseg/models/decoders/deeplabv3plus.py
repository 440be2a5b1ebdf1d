"""DeepLabV3+ at stride 16."""

from __future__ import annotations

from torch import nn

from chexseg.models.batch_norm import PooledBatchNorm
from chexseg.models.families import family_of, lower_stride

STRIDE = 16


def deeplabv3plus(encoder: str, classes: int, channels: int) -> nn.Module:
    """Builds smp's DeepLabV3+ at stride 16, with random weights.

    It differs from smp's in two ways. The convolution of a ResNet or DenseNet that loses its
    stride is not dilated, so that pretrained ResNets keep their function (see `lower_stride`); all
    other encoders are dilated as smp or timm do it. And a batch of one image trains (see
    `PooledBatchNorm`).

    Source: Chen et al., "Encoder-decoder with atrous separable convolution for semantic image
    segmentation", ECCV 2018.

    Args:
        encoder: smp's name of the encoder.
        classes: number of logits per pixel.
        channels: width of the decoder.
    """
    # Put together here, since smp's own class refuses DenseNets, whose strides are pools.
    from segmentation_models_pytorch.base import SegmentationHead, SegmentationModel
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import (
        ASPPPooling,
        DeepLabV3PlusDecoder,
    )

    network = SegmentationModel()
    network.encoder = _encoder_of_stride_16(encoder)
    network.decoder = DeepLabV3PlusDecoder(
        encoder_channels=network.encoder.out_channels,
        encoder_depth=5,
        out_channels=channels,
        atrous_rates=(12, 24, 36),
        output_stride=STRIDE,
        aspp_separable=True,
        aspp_dropout=0.5,
    )
    network.segmentation_head = SegmentationHead(channels, classes, kernel_size=1, upsampling=4)
    network.classification_head = None
    for module in network.decoder.modules():
        if isinstance(module, ASPPPooling):
            module[2] = PooledBatchNorm(channels)
    network.initialize()
    return network


def _encoder_of_stride_16(name: str) -> nn.Module:
    from segmentation_models_pytorch.encoders import encoders, get_encoder

    family = family_of(encoders[name]["encoder"]) if name in encoders else None
    if family is None:
        return get_encoder(name, weights=None, output_stride=STRIDE)
    encoder = get_encoder(name, weights=None)
    lower_stride(encoder, family, STRIDE, dilate=True)
    return encoder
