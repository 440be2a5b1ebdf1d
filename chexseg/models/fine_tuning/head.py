"""Trains the segmentation head alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from chexseg.models.segmenter import Segmenter


def head(segmenter: Segmenter) -> list[tuple[list[nn.Parameter], float]]:
    """Freezes encoder and decoder, and returns the parameters of the head."""
    network = segmenter.network
    segmenter.freeze(network.encoder, network.decoder)
    return [(list(network.segmentation_head.parameters()), 1.0)]
