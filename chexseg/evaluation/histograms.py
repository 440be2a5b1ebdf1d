"""Histograms of probabilities, from which metrics without tuned thresholds are computed.

A histogram counts the pixels of an X-ray at its native size in ranges of probabilities, those
outside the truth and those inside. The ranges are narrow where networks put most of their pixels,
close to 0 and to 1, and every candidate threshold of `chexseg.evaluation.thresholds` divides two of
them, so that what a tuned threshold draws can be read off exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

CANDIDATES = tuple(number / 20 for number in range(1, 20))
"""The candidate thresholds: 0.05, 0.1, ... 0.95."""

_LOGITS = (number / 32 for number in range(-384, 385))

EDGES = tuple(sorted({*CANDIDATES, *(1 / (1 + math.exp(-logit)) for logit in _LOGITS)}))
"""What divides the ranges: the candidates, and logits from -12 to 12 in steps of 1/32."""


def count_pixels(probability: Tensor, truth: Tensor, edges: Sequence[float] = EDGES) -> Tensor:
    """Counts the pixels in each range of probabilities, in one pass over the pixels.

    Args:
        probability: [B, P, H, W] float. NaN is below all edges.
        truth: [B, P, H, W] bool.
        edges: K - 1 increasing values, compared in the precision of `probability`. A pixel's range
            is the number of edges that its probability is above.

    Returns:
        [B, P, 2, K] int64: pixels outside the truth, and inside.

    Raises:
        ValueError: the edges do not increase.
    """
    bounds = torch.tensor(edges, dtype=probability.dtype, device=probability.device)
    if not bool((bounds.diff() > 0).all()):
        raise ValueError(f"thresholds {tuple(edges)} do not increase")
    batch, pathologies = probability.shape[:2]
    ranges = torch.bucketize(probability.nan_to_num(nan=-torch.inf), bounds, out_int32=True)
    maps = torch.arange(batch * pathologies, device=ranges.device, dtype=torch.int32)
    place = (maps.view(batch, pathologies, 1, 1) * 2 + truth) * (len(bounds) + 1) + ranges
    histogram = place.flatten().bincount(minlength=batch * pathologies * 2 * (len(bounds) + 1))
    return histogram.view(batch, pathologies, 2, len(bounds) + 1)
