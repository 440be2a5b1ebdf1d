"""Which samples an epoch shows: one source of masks, or several that are mixed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate

import torch

Draw = Callable[[torch.Generator], list[int]]


def shuffled(n_items: int, samples: int | None = None) -> Draw:
    """Draws `samples` of `n_items` (all of them if None) in random order.

    With more samples than items, every item comes once before any comes twice.
    """
    samples = n_items if samples is None else samples

    def draw(generator: torch.Generator) -> list[int]:
        return _passes(n_items, samples, generator)

    return draw


def mixed(counts: Sequence[int], weights: Sequence[float], samples: int) -> Draw:
    """Draws each sample's source by the weights, and then one of the source's items.

    This is CheXseg's mixing of supervision (Gadgil et al. 2021, section 3.3) for any number of
    sources; theirs are two, with the weights rho (experts' masks) and 1 - rho (pseudo masks).
    The choice is made for each sample independently, and within a source samples come in
    shuffled passes: every item once before any comes twice.

    Args:
        counts: number of items of each source. Items are numbered through: those of the first
            source from 0, those of the second behind them.
        weights: chance of each source, 0 to 1; their sum is 1. A source of weight 0 is never
            drawn.
        samples: number of samples in the epoch.

    Raises:
        ValueError: there are not as many weights as sources, one is negative, or they do not sum
            to 1 within 1e-6; or, when an epoch is drawn, a source with a weight has no items.
    """
    if len(weights) != len(counts):
        raise ValueError(f"{len(weights)} weights for {len(counts)} sources")
    if wrong := wrong_weights(weights):
        raise ValueError(wrong)
    last = max(number for number, weight in enumerate(weights) if weight > 0)
    # The last source takes the rest, so that no rounding of the sums draws one of weight 0.
    bounds = list(accumulate(weights[:last]))

    def draw(generator: torch.Generator) -> list[int]:
        chance = torch.rand(samples, generator=generator)
        none = torch.zeros(samples, dtype=torch.long)
        source = sum(((chance >= bound).long() for bound in bounds), none)
        items, first = torch.empty(samples, dtype=torch.long), 0
        for number, count in enumerate(counts):
            own = source == number
            passes = _passes(count, int(own.sum()), generator)
            items[own] = torch.tensor(passes, dtype=torch.long) + first
            first += count
        return items.tolist()

    return draw


def wrong_weights(weights: Sequence[float]) -> str | None:
    """Says what is wrong with the weights of sources: each must be >= 0, and their sum 1."""
    if not all(weight >= 0 for weight in weights):  # NaN is not
        return f"a weight below 0 among {', '.join(map(str, weights))}"
    if not abs((total := math.fsum(weights)) - 1) <= 1e-6:
        return f"weights whose sum is {total:g}"
    return None


def _passes(n_items: int, samples: int, generator: torch.Generator) -> list[int]:
    if samples and not n_items:
        raise ValueError("samples are to be drawn from a source without items")
    items: list[int] = []
    while len(items) < samples:
        items += torch.randperm(n_items, generator=generator).tolist()
    return items[:samples]
