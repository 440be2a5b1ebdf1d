"""Applies a model to many X-rays in batches, with one result per X-ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from chexseg.files.progress import progress
from chexseg.files.store import Store
from chexseg.inference.device import accelerator
from chexseg.inference.signals import ignore_signals


class Unlabelled(Dataset):
    """A data set of X-rays without targets: an item is an image, uint8 [1, S, S]."""

    def __init__(self, images: Store, ids: Sequence[str]):
        self.images, self.ids = images, list(ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> Tensor:
        return torch.from_numpy(self.images[self.ids[number]])[None]


def device_for_inference(threads: int) -> torch.device:
    """Sets the number of CPU threads and returns the first GPU, or the CPU if there is none.

    Raises:
        InputError: a GPU is required but there is none; see `chexseg.inference.device`.
    """
    torch.set_num_threads(threads)
    return torch.device(accelerator())


def infer(
    compute: Callable[[Tensor], Tensor | tuple[Tensor, ...]],
    dataset: Dataset,
    *,
    batch_size: int,
    device: torch.device,
    threads: int = 1,
    what: str = "inference",
) -> Iterator[Tensor | tuple[Tensor, ...]]:
    """Yields the result of every X-ray, on the CPU, in the order of the data set.

    The last batch is padded with copies, whose results are dropped. Kernels are chosen by batch
    size, so without padding the result of an X-ray would depend on how many others there are, and
    a store on its number of shards.

    Args:
        compute: images [B, 1, S, S] in [0, 1] on the device -> results [B, ...], or several of
            them, of which each X-ray gets a tuple.
        dataset: items are images, uint8 [1, S, S].
        batch_size: B.
        device: where to compute.
        threads: CPU threads, as for `chexseg.training.loop.fit`.
        what: name on the progress bar.
    """
    loader = in_order(dataset, batch_size, threads)
    for batch in progress(loader, what, len(loader)):
        missing = batch_size - len(batch)
        filled = batch.to(device, non_blocking=True)
        if missing:
            filled = torch.cat([filled, filled[-1:].expand(missing, -1, -1, -1)])
        with torch.no_grad():  # not around the yield: the caller runs in between
            results = compute(to_float(filled))
        if isinstance(results, tuple):
            yield from zip(*(each[: len(batch)].cpu() for each in results), strict=True)
        else:
            yield from results[: len(batch)].cpu()


def evaluation_mode(model: nn.Module, device: torch.device) -> nn.Module:
    """Returns the model on the device, frozen and in evaluation mode."""
    return model.to(device).eval().requires_grad_(False)


def in_order(dataset: Dataset, batch_size: int, threads: int = 1) -> DataLoader:
    """Returns a loader of all items in order; the last batch may be smaller."""
    return DataLoader(
        dataset,
        batch_size=batch_size,
        num_workers=workers(threads),
        worker_init_fn=ignore_signals,
        pin_memory=torch.cuda.is_available(),
    )


def workers(threads: int) -> int:
    """Returns the number of loader processes: all threads but one with a GPU, none without.

    Without a GPU, the threads compute, and batches of small X-rays are read in between.
    """
    return max(0, threads - 1) if torch.cuda.is_available() else 0


def to_float(image: Tensor) -> Tensor:
    """Converts images to the input of networks: uint8 [B, 1, H, W] -> float in [0, 1]."""
    return image.float() / 255


def batch_of(store: Store, ids: Sequence[str]) -> Tensor:
    """Returns the arrays of several X-rays of a store as one tensor [B, ...]."""
    return torch.from_numpy(store.batch(ids))
