"""Multi-label segmentation networks, over segmentation-models-pytorch (smp)."""

from __future__ import annotations

from torch import Tensor, nn

from chexseg.errors import InputError, Problem, nearest
from chexseg.models.classifier import DENSENET, RESNET, Normalise, lower_stride

ENCODERS = {"resnet18": RESNET, "resnet50": RESNET, "densenet121": DENSENET}
"""Families of the encoders; smp and torchvision name their weights alike."""


class PooledBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that also trains on one image with one pixel.

    DeepLab's image pooling leaves 1 x 1 features, and a batch of one image then has one value per
    channel: no variance. Such a batch is normalised by the running statistics, as in evaluation,
    where torch raises an error. Larger batches are treated as usual.
    """

    def forward(self, features: Tensor) -> Tensor:
        if self.training and features.numel() == features.shape[1]:
            return nn.functional.batch_norm(
                features, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(features)


class Segmenter(nn.Module):
    """A network from grey images to logits of masks.

    Args:
        network: smp's network from three channels to P logits.

    Attributes:
        network: the same; `encoder` and `decoder` are parts of it.

    Shape:
        image: [B, 1, H, W], float in [0, 1], H and W multiples of 32; logits: [B, P, H, W].
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.normalise = Normalise()
        self.network = network

    @property
    def encoder(self) -> nn.Module:
        """The encoder, under torchvision's names: what `initialise` fills."""
        return self.network.encoder

    def forward(self, image: Tensor) -> Tensor:
        return self.network(self.normalise(image))


def _deeplabv3plus(encoder: str, n_pathologies: int, decoder_channels: int) -> nn.Module:
    # Put together here, since smp's own class refuses DenseNets, whose strides are pools.
    from segmentation_models_pytorch.base import SegmentationHead, SegmentationModel
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import (
        ASPPPooling,
        DeepLabV3PlusDecoder,
    )
    from segmentation_models_pytorch.encoders import get_encoder

    network = SegmentationModel()
    network.encoder = get_encoder(encoder, weights=None)
    lower_stride(network.encoder, ENCODERS[encoder], 16, dilate=True)
    network.decoder = DeepLabV3PlusDecoder(
        encoder_channels=network.encoder.out_channels,
        encoder_depth=5,
        out_channels=decoder_channels,
        atrous_rates=(12, 24, 36),
        output_stride=16,
        aspp_separable=True,
        aspp_dropout=0.5,
    )
    network.segmentation_head = SegmentationHead(
        decoder_channels, n_pathologies, kernel_size=1, upsampling=4
    )
    network.classification_head = None
    for module in network.decoder.modules():
        if isinstance(module, ASPPPooling):
            module[2] = PooledBatchNorm(decoder_channels)
    network.initialize()
    return network


def _unet(encoder: str, n_pathologies: int, decoder_channels: int) -> nn.Module:
    from segmentation_models_pytorch import Unet

    return Unet(
        encoder,
        encoder_weights=None,
        decoder_channels=[decoder_channels // 2**level for level in range(5)],
        classes=n_pathologies,
    )


ARCHITECTURES = {"deeplabv3plus": _deeplabv3plus, "unet": _unet}


def build_segmenter(
    architecture: str, encoder: str, n_pathologies: int, *, decoder_channels: int = 256
) -> Segmenter:
    """Builds a segmenter with random weights, drawn from torch's global generator.

    `deeplabv3plus` is smp's at stride 16, with two differences: the convolution that loses its
    stride is not dilated, so that pretrained ResNets keep their function (see `lower_stride`),
    and a batch of one image trains (see `PooledBatchNorm`). `unet` is smp's.

    Args:
        architecture: `deeplabv3plus` (Chen et al., ECCV 2018) or `unet`.
        encoder: `resnet18`, `resnet50` or `densenet121`.
        n_pathologies: number of logits per pixel.
        decoder_channels: width of the decoder; for `unet` of its deepest level, halved upwards.

    Raises:
        InputError: no architecture or no encoder has that name.
    """
    problems = [
        Problem(where, name, f"one of {names}", f"Did you mean {nearest(name, names)}?")
        for where, name, names in (
            ("architecture", architecture, tuple(ARCHITECTURES)),
            ("encoder", encoder, tuple(ENCODERS)),
        )
        if name not in names
    ]
    if problems:
        raise InputError(problems)
    return Segmenter(ARCHITECTURES[architecture](encoder, n_pathologies, decoder_channels))
