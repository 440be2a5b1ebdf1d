"""What several processes that train one model tell each other; one alone tells itself."""

from __future__ import annotations

import torch
from lightning.fabric import Fabric
from torch import Tensor, distributed


def of_all(fabric: Fabric, rows: Tensor) -> Tensor:
    """Returns the rows of all processes, in the order of the processes.

    Not `fabric.all_gather`, whose gradients are those of all processes, which DDP sums as well.

    Args:
        fabric: of this process.
        rows: [B, ...] of this process; all have the same shape.

    Returns:
        [processes x B, ...]; gradients flow to this process's own rows alone.
    """
    if fabric.world_size == 1:
        return rows
    given = rows.detach().contiguous()
    gathered = [torch.empty_like(given) for _ in range(fabric.world_size)]
    distributed.all_gather(gathered, given)
    gathered[fabric.global_rank] = rows
    return torch.cat(gathered)


def highest(fabric: Fabric, number: int) -> int:
    """Returns the highest number that a process gave.

    Not by `fabric.all_reduce`, which waits for all processes twice: this is called at every step.
    """
    return int(of_all(fabric, torch.tensor([number], device=fabric.device)).max())


def say(fabric: Fabric, text: str) -> None:
    """Prints a line of the log, once for all processes (`fabric.print` does on every node)."""
    if fabric.is_global_zero:
        print(text, flush=True)
