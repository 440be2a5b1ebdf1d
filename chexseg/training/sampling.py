"""Which samples an epoch shows: the mixing of expert and pseudo masks."""

from __future__ import annotations

from collections.abc import Callable

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


def mixed(n_expert: int, n_pseudo: int, expert_probability: float, samples: int) -> Draw:
    """Draws each sample from the experts' with a probability, else from the pseudo-labelled.

    This is CheXseg's mixing of supervision (Gadgil et al. 2021, section 3.3) with
    rho = `expert_probability`: the choice is made for each sample on its own, and within a
    source samples come in shuffled passes.

    Args:
        n_expert: number of X-rays with expert masks; they are items 0 to n_expert - 1.
        n_pseudo: number of pseudo-labelled X-rays; they follow.
        expert_probability: 0 to 1.
        samples: number of samples in the epoch.
    """

    def draw(generator: torch.Generator) -> list[int]:
        expert = torch.rand(samples, generator=generator) < expert_probability
        count = int(expert.sum())
        items = torch.empty(samples, dtype=torch.long)
        items[expert] = torch.tensor(_passes(n_expert, count, generator), dtype=torch.long)
        pseudo = torch.tensor(_passes(n_pseudo, samples - count, generator), dtype=torch.long)
        items[~expert] = pseudo + n_expert
        return items.tolist()

    return draw


def _passes(n_items: int, samples: int, generator: torch.Generator) -> list[int]:
    if samples and not n_items:
        raise ValueError("samples are to be drawn from a source without items")
    items: list[int] = []
    while len(items) < samples:
        items += torch.randperm(n_items, generator=generator).tolist()
    return items[:samples]
