"""Trains adapters in encoder and decoder, and the segmentation head."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from chexseg.models.segmenter import Segmenter


def adapters(segmenter: Segmenter, *, adapter_rank: int) -> list[tuple[list[nn.Parameter], float]]:
    """Freezes encoder and decoder, and adds adapters to them (see `chexseg.models.adapters`).

    Args:
        segmenter: the segmenter; it gets adapters, drawn from torch's global generator.
        adapter_rank: channels of the bottleneck of each adapter.

    Returns:
        The parameters of the adapters and of the head.
    """
    from chexseg.models.adapters import add_adapters

    network = segmenter.network
    segmenter.freeze(network.encoder, network.decoder)
    added = [
        each
        for part in (network.encoder, network.decoder)
        for each in add_adapters(part, adapter_rank)
    ]
    return [([*added, *network.segmentation_head.parameters()], 1.0)]
