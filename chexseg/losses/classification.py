"""Classification loss with policies for uncertain and blank labels (Irvin et al., AAAI 2019)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from chexseg.errors import InputError, Problem, nearest

NEGATIVE, POSITIVE, UNCERTAIN = 0, 1, 2
"""Order of an observation's three logits under the policy `multiclass`."""


def _binary_losses(logits: Tensor, targets: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def _multiclass_losses(logits: Tensor, targets: Tensor) -> Tensor:
    by_observation = logits.unflatten(1, (-1, 3)).transpose(1, 2)
    return functional.cross_entropy(by_observation, targets.long(), reduction="none")


def _multiclass_probability(logits: Tensor) -> Tensor:
    by_observation = logits.unflatten(1, (-1, 3))
    return torch.sigmoid(by_observation[..., POSITIVE] - by_observation[..., NEGATIVE])


@dataclass(frozen=True)
class UncertaintyPolicy:
    """Defines how the label -1 (uncertain) is treated.

    Attributes:
        target: target of an uncertain label.
        weight: 1 if uncertain labels count, 0 if they are ignored.
        n_logits: logits per observation.
        positive: index of the positive one among them.
        losses: logits [B, C * n_logits] and targets [B, C] -> loss of each label, [B, C].
        probability: logits [B, C * n_logits] -> probability of each observation, [B, C].
    """

    target: float
    weight: float
    n_logits: int = 1
    positive: int = 0
    losses: Callable[[Tensor, Tensor], Tensor] = _binary_losses
    probability: Callable[[Tensor], Tensor] = torch.sigmoid


UNCERTAIN_POLICIES = {
    "ones": UncertaintyPolicy(target=1.0, weight=1.0),
    "zeros": UncertaintyPolicy(target=0.0, weight=1.0),
    "ignore": UncertaintyPolicy(target=0.0, weight=0.0),
    "multiclass": UncertaintyPolicy(
        target=float(UNCERTAIN),
        weight=1.0,
        n_logits=3,
        positive=POSITIVE,
        losses=_multiclass_losses,
        probability=_multiclass_probability,
    ),
}
"""The policies U-Ones, U-Zeros, U-Ignore and U-MultiClass of the CheXpert paper."""

BLANK_WEIGHTS = {"zeros": 1.0, "ignore": 0.0}
"""Blank policy -> weight of a blank label, whose target is negative."""


def _entry(table: dict, name: str, where: str):
    if name not in table:
        remedy = f"Did you mean {nearest(name, tuple(table))}?"
        raise InputError([Problem(where, repr(name), f"one of {tuple(table)}", remedy)])
    return table[name]


def targets_of(labels: Tensor, *, uncertain: str, blank: str) -> tuple[Tensor, Tensor]:
    """Converts labels to targets and weights.

    Args:
        labels: [B, C], float: 1 positive, 0 negative, -1 uncertain, NaN blank.
        uncertain: `ones`, `zeros`, `ignore` or `multiclass`.
        blank: `zeros` (a blank label is negative) or `ignore`.

    Returns:
        Targets and weights, both [B, C]. Targets are 0 or 1, or 2 for an uncertain label under
        `multiclass`. A label of weight 0 is ignored, and its target is meaningless.

    Raises:
        InputError: there is no policy of that name.
    """
    policy = _entry(UNCERTAIN_POLICIES, uncertain, "uncertain")
    blank_weight = _entry(BLANK_WEIGHTS, blank, "blank")
    targets = labels.nan_to_num(0.0)
    weights = torch.ones_like(targets).masked_fill(labels.isnan(), blank_weight)
    is_uncertain = labels == -1
    return (
        targets.masked_fill(is_uncertain, policy.target),
        weights.masked_fill(is_uncertain, policy.weight),
    )


def n_outputs_of(n_observations: int, uncertain: str) -> int:
    """Returns the number of logits of a classifier: 3 per observation under `multiclass`, else 1."""
    return n_observations * _entry(UNCERTAIN_POLICIES, uncertain, "uncertain").n_logits


def positive_outputs(observations: Iterable[int], uncertain: str) -> list[int]:
    """Returns the indices of the positive logits of observations, as needed by saliency methods."""
    policy = _entry(UNCERTAIN_POLICIES, uncertain, "uncertain")
    return [policy.n_logits * observation + policy.positive for observation in observations]


def classification_loss(logits: Tensor, labels: Tensor, *, uncertain: str, blank: str) -> Tensor:
    """Returns the mean cross entropy over all labels that are not ignored.

    Args:
        logits: [B, C]; under `multiclass` [B, 3 * C], where the negative, positive and uncertain
            logits of an observation are adjacent, in this order.
        labels: [B, C], float: 1 positive, 0 negative, -1 uncertain, NaN blank.
        uncertain: see `targets_of`.
        blank: see `targets_of`.

    Returns:
        A scalar; 0, with gradient 0, if all labels are ignored.

    Raises:
        InputError: there is no policy of that name.
    """
    targets, weights = targets_of(labels, uncertain=uncertain, blank=blank)
    losses = UNCERTAIN_POLICIES[uncertain].losses(logits, targets)
    return (losses * weights).sum() / weights.sum().clamp(min=1.0)


def positive_probability(logits: Tensor, uncertain: str) -> Tensor:
    """Returns the probability of each observation, [B, C].

    Under `multiclass`, it is the softmax over only the negative and the positive logit, as in
    section 3.2 of the CheXpert paper.

    Raises:
        InputError: there is no policy of that name.
    """
    return _entry(UNCERTAIN_POLICIES, uncertain, "uncertain").probability(logits)
