"""Trains adapters in encoder and decoder, and the segmentation head."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from chexseg.models.segmenter import Segmenter


def adapters(segmenter: Segmenter, *, adapter_rank: int) -> list[tuple[list[nn.Parameter], float]]:
    """Adds adapters to encoder and decoder, and freezes all else in them.

    See `chexseg.models.adapters`.

    Args:
        segmenter: the segmenter; it gets adapters, drawn from torch's global generator.
        adapter_rank: channels of the bottleneck of each adapter.

    Returns:
        The parameters of the adapters and of the head.

    Raises:
        InputError: encoder or decoder has no convolution that takes an adapter.
    """
    from chexseg.errors import Problems
    from chexseg.models.adapters import add_adapters

    network, problems = segmenter.network, Problems()
    parts = {"encoder": network.encoder, "decoder": network.decoder}
    added = []
    for name, part in parts.items():
        new = add_adapters(part, adapter_rank)
        if not new:
            found = f"no convolution in the {name} that takes adapters of rank {adapter_rank}"
            expected = f"plain convolutions with at least {2 * adapter_rank} inputs and outputs"
            remedy = f"Lower 'adapter_rank', choose another {name}, or fine-tune the head."
            problems.add("fine_tuning", found, expected, remedy)
        added += new
    problems.raise_if_any()
    segmenter.freeze(*parts.values())
    for each in added:
        each.requires_grad_()
    return [([*added, *network.segmentation_head.parameters()], 1.0)]
