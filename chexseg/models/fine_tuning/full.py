"""Trains everything, the encoder at a learning rate of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from chexseg.models.segmenter import Segmenter


def full(
    segmenter: Segmenter, *, encoder_learning_rate_factor: float
) -> list[tuple[list[nn.Parameter], float]]:
    """Returns all parameters, those of the encoder apart if their learning rate differs.

    Args:
        segmenter: the segmenter; unchanged.
        encoder_learning_rate_factor: multiplies the learning rate of the encoder.
    """
    trained = [each for each in segmenter.parameters() if each.requires_grad]
    if encoder_learning_rate_factor == 1:
        return [(trained, 1.0)]
    encoder = {id(each) for each in segmenter.network.encoder.parameters()}
    return [
        ([each for each in trained if id(each) not in encoder], 1.0),
        ([each for each in trained if id(each) in encoder], encoder_learning_rate_factor),
    ]
