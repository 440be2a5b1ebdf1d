"""Applying a model to many X-rays, in batches, one result per X-ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from chexseg.progress import progress
from chexseg.training.datasets import in_order, to_float
from chexseg.training.device import accelerator


def device_for_inference(threads: int) -> torch.device:
    """Sets the number of CPU threads and returns the first GPU, or the CPU if there is none.

    Raises:
        InputError: there is no GPU where one is required; see `chexseg.training.device`.
    """
    torch.set_num_threads(threads)
    return torch.device(accelerator())


def infer(
    compute: Callable[[Tensor], Tensor],
    dataset: Dataset,
    *,
    batch_size: int,
    device: torch.device,
    threads: int = 1,
    what: str = "inference",
) -> Iterator[Tensor]:
    """Yields the result of every X-ray, on the CPU, in the order of the data set.

    The last batch is filled up with copies, and their results dropped: kernels are chosen by
    the size of a batch, so an X-ray's result would otherwise depend on how many others there
    are, and a store on its number of shards.

    Args:
        compute: images [B, 1, S, S] in [0, 1] on the device -> results [B, ...].
        dataset: items are images, uint8 [1, S, S].
        batch_size: B.
        device: where to compute.
        threads: CPU threads, as for `chexseg.training.loop.fit`.
        what: name on the progress bar.
    """
    loader = in_order(dataset, batch_size, threads)
    for batch in progress(loader, what, len(loader)):
        missing = batch_size - len(batch)
        filled = torch.cat([batch, batch[-1:].expand(missing, -1, -1, -1)])
        with torch.no_grad():  # not around the yield: the caller goes on in between
            results = compute(to_float(filled.to(device)))[: len(batch)].cpu()
        yield from results


def evaluation_mode(model: nn.Module, device: torch.device) -> nn.Module:
    """Returns the model on the device, frozen, as inference needs it."""
    return model.to(device).eval().requires_grad_(False)
