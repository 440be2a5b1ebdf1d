"""Chooses the samples of an epoch, from one source of masks or a mixture of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate

import torch

Draw = Callable[[torch.Generator], list[int]]


def shuffled(n_items: int, samples: int | None = None) -> Draw:
    """Returns a function that draws `samples` of `n_items` (all if None) in random order.

    With more samples than items, every item is drawn once before any is drawn twice.
    """
    samples = n_items if samples is None else samples

    def draw(generator: torch.Generator) -> list[int]:
        return _passes(n_items, samples, generator)

    return draw


def mixed(counts: Sequence[int], weights: Sequence[float], samples: int) -> Draw:
    """Returns a function that draws each sample's source by weight, and then an item of it.

    This is CheXseg's mixing of supervision (Gadgil et al. 2021, section 3.3), extended to any
    number of sources; the paper has two, with weights rho (expert masks) and 1 - rho (pseudo
    masks). Each sample's source is drawn independently. Within a source, samples come in shuffled
    passes: every item is used once before any is used twice.

    Args:
        counts: number of items of each source. Items are numbered consecutively, starting with the
            first source.
        weights: probability of each source, 0 to 1; they sum to 1. A source of weight 0 is never
            drawn.
        samples: number of samples in the epoch.

    Raises:
        ValueError: the numbers of weights and sources differ, a weight is negative, or the weights
            do not sum to 1 within 1e-6; or, when an epoch is drawn, a source with a weight has no
            items.
    """
    if len(weights) != len(counts):
        raise ValueError(f"{len(weights)} weights for {len(counts)} sources")
    if wrong := find_weight_fault(weights):
        raise ValueError(wrong)
    last = max(number for number, weight in enumerate(weights) if weight > 0)
    # The last source takes the rest, so that rounding never selects a source of weight 0.
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


def find_weight_fault(weights: Sequence[float]) -> str | None:
    """Returns what is wrong with the weights of sources, or None: each >= 0, with a sum of 1."""
    if not all(weight >= 0 for weight in weights):  # NaN is not
        return f"a weight below 0 among {', '.join(map(str, weights))}"
    if not abs((total := math.fsum(weights)) - 1) <= 1e-6:
        return f"weights that sum to {total:g}"
    return None


def _passes(n_items: int, samples: int, generator: torch.Generator) -> list[int]:
    if samples and not n_items:
        raise ValueError("cannot draw samples from a source without items")
    items: list[int] = []
    while len(items) < samples:
        items += torch.randperm(n_items, generator=generator).tolist()
    return items[:samples]
