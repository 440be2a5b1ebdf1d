"""A training that one process runs on a CPU, without Lightning: importing it takes seconds."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class Float32:
    """The number format of `SingleProcess`, which has no state; scaled float16 has one."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Accepts the state of any format."""


class SingleProcess:
    """Does what Lightning's Fabric does for one process on a CPU in float32.

    It has the attributes and methods of Fabric that trainings use, under the same names, and gives
    the same bits.
    """

    strategy = SimpleNamespace(precision=Float32())

    device = torch.device("cpu")
    world_size = 1
    global_rank = local_rank = node_rank = 0
    is_global_zero = True

    def seed_everything(self, seed: int, verbose: bool = False) -> None:
        """Seeds the generators of Python, NumPy and torch."""
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def setup(self, model: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """Returns both as they are."""
        return model, optimizer

    def to_device(self, values: Any) -> Any:
        """Returns tensors, or dicts of tensors, on the CPU."""
        if isinstance(values, Mapping):
            return {name: self.to_device(value) for name, value in values.items()}
        return values.to(self.device) if isinstance(values, Tensor) else values

    @contextmanager
    def no_backward_sync(self, model: nn.Module, enabled: bool = True) -> Iterator[None]:
        """Changes nothing: there is nothing to synchronize with."""
        yield

    def backward(self, loss: Tensor) -> None:
        """Computes the gradients."""
        loss.backward()

    def broadcast(self, value: Any) -> Any:
        """Returns the value: this is the only process."""
        return value

    def barrier(self) -> None:
        """Waits for no other process."""
