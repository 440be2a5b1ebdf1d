"""Communication between the processes that train one model; a single process works as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from chexseg.training.single_process import SingleProcess


def gather_rows(fabric: Fabric | SingleProcess, rows: Tensor) -> Tensor:
    """Returns the rows of all processes, in the order of the processes.

    It replaces `fabric.all_gather`, whose gradients are summed over processes, as DDP does again.

    Args:
        fabric: from `chexseg.training.loop.start`.
        rows: [B, ...], the rows of this process; the shape is the same in all processes.

    Returns:
        [processes x B, ...]; gradients flow only to the rows of this process.
    """
    if fabric.world_size == 1:
        return rows
    given = rows.detach().contiguous()
    gathered = [torch.empty_like(given) for _ in range(fabric.world_size)]
    distributed.all_gather(gathered, given)
    gathered[fabric.global_rank] = rows
    return torch.cat(gathered)


def maximum(fabric: Fabric | SingleProcess, number: int) -> int:
    """Returns the maximum of a number over all processes.

    It replaces `fabric.all_reduce`, which synchronizes twice; this is called at every step.
    """
    return int(gather_rows(fabric, torch.tensor([number], device=fabric.device)).max())


def print_once(fabric: Fabric | SingleProcess, text: str) -> None:
    """Prints a line to the log once in total (`fabric.print` prints it once per node)."""
    if fabric.is_global_zero:
        print(text, flush=True)
