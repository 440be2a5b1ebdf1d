"""The task of a training: everything that depends on the kind of model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from chexseg.training.augmentation import NUMBERS

Figures = dict[str, float]
"""Results of a validation, by the name of their column in the metrics."""


class Task:
    """Defines the model, the loss and the validation of a training; the loop does the rest.

    A new kind of training is a subclass with `step` and `loss`. Batches and outputs are dicts, so
    that a subclass can add what it needs, such as boxes or the probabilities of a teacher, and
    leave the rest to its base class.

    Args:
        model: the model to train.

    Attributes:
        numbers: random numbers for an X-ray that `step` takes.
        model: the model. During training on a GPU, or by several processes, it is Lightning's
            wrapper for devices, processes and precision.
    """

    numbers = NUMBERS

    def __init__(self, model: nn.Module):
        self.model = model

    def step(self, batch: dict[str, Tensor], noise: Tensor) -> dict[str, Tensor]:
        """Passes a batch through the model.

        Args:
            batch: from `Supervised`: `image` uint8 [B, 1, S, S] and targets [B, ...], on the
                device.
            noise: [B, numbers], from `draw_noise`.

        Returns:
            The arguments of `loss`, by name: tensors [B, ...].
        """
        raise NotImplementedError

    def loss(self, **outputs: Tensor) -> Tensor:
        """Returns the scalar loss of the outputs of `step` for a whole batch.

        If several processes share a batch, their outputs are concatenated.
        """
        raise NotImplementedError

    def validate(self) -> tuple[Figures, dict[str, Any]]:
        """Validates the model after an epoch, in evaluation mode and without gradients.

        Every process calls it.

        Returns:
            Figures of the epoch, whose `score` selects the best epoch (see `fit`), and further
            plain values for the checkpoint. Both are empty by default, so that the last epoch is
            the best.
        """
        return {}, {}

    def parameters(self) -> Iterable[dict[str, Any]]:
        """Returns the parameter groups of the optimizer: by default one, of all trainable ones."""
        return [{"params": [p for p in self.model.parameters() if p.requires_grad]}]

    def kept(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Returns the tensors of an epoch that the checkpoint keeps: by default all of them."""
        return tensors

    def finish(self, best: dict[str, Tensor]) -> dict[str, Tensor]:
        """Returns the final tensors of the model, after the last epoch; `kept` chooses among them.

        Every process calls it, with the model in its state after the last epoch.

        Args:
            best: tensors of the best epoch, on the CPU; returned by default.
        """
        return best
