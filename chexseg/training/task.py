"""The task of a training: what one kind of training does differently from the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

Figures = dict[str, float]
"""What a validation measured, by the name of its column in the metrics."""


class Task:
    """What is trained, on which loss, and how an epoch is judged; the loop does the rest.

    A new kind of training is a subclass with `step` and `loss`. Batches and outputs are dicts, so
    that a subclass can add what it needs, such as boxes or the probabilities of a teacher, and
    leave the rest to its base class.

    Args:
        model: what is trained.

    Attributes:
        model: the same. While the training runs, it is the model as Lightning set it up for the
            devices, with the gradients of all processes and the settings' precision.
    """

    def __init__(self, model: nn.Module):
        self.model = model

    def step(self, batch: dict[str, Tensor], noise: Tensor) -> dict[str, Tensor]:
        """Passes a batch through the model.

        Args:
            batch: of `Supervised`: `image` uint8 [B, 1, S, S] and targets [B, ...], on the device.
            noise: [B, 6], for `augment`.

        Returns:
            What `loss` needs, by the names of its arguments: tensors [B, ...].
        """
        raise NotImplementedError

    def loss(self, **outputs: Tensor) -> Tensor:
        """Returns the loss, a scalar, of what `step` returned for a whole batch.

        Where several processes share a batch, the outputs of all of them are laid end to end.
        """
        raise NotImplementedError

    def validate(self) -> tuple[Figures, dict[str, Any]]:
        """Judges the model after an epoch, in evaluation mode and without gradients.

        Every process calls it.

        Returns:
            Figures of the epoch, whose `score` chooses the best epoch (see `fit`), and what else
            belongs to the model after this epoch: plain values for its checkpoint. By default
            nothing, so that the last epoch is the best.
        """
        return {}, {}

    def parameters(self) -> Iterable[dict[str, Any]]:
        """Returns the parameter groups of the optimizer: by default one, of all that train."""
        return [{"params": [p for p in self.model.parameters() if p.requires_grad]}]

    def finish(self, best: dict[str, Tensor]) -> dict[str, Tensor]:
        """Returns the tensors to publish, once the last epoch is over.

        Every process calls it; the model is that of the last epoch.

        Args:
            best: tensors of the best epoch, on the CPU: what is published by default.
        """
        return best
