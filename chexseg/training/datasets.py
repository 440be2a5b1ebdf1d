"""What trainings read: X-rays from the stores, with labels or with masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from chexseg.data.store import Store


@dataclass(frozen=True)
class Source:
    """X-rays of one kind of supervision.

    Attributes:
        name: what it is, for logs.
        ids: cxr_id of its X-rays.
        target_of: cxr_id -> target array (labels or masks).
    """

    name: str
    ids: Sequence[str]
    target_of: Callable[[str], np.ndarray]


class Supervised(Dataset):
    """X-rays with a target, from one or several sources laid end to end.

    An item is (image uint8 [1, S, S], target). Item `i` is X-ray `i` of the first source, then
    those of the second.
    """

    def __init__(self, images: Store, *sources: Source):
        self.images = images
        self.items = [(source, cxr_id) for source in sources for cxr_id in source.ids]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        source, cxr_id = self.items[number]
        image = torch.from_numpy(self.images[cxr_id])[None]
        return image, torch.from_numpy(np.ascontiguousarray(source.target_of(cxr_id)))


class Unlabelled(Dataset):
    """X-rays without a target: an item is an image, uint8 [1, S, S]."""

    def __init__(self, images: Store, ids: Sequence[str]):
        self.images, self.ids = images, list(ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> Tensor:
        return torch.from_numpy(self.images[self.ids[number]])[None]


class Rows:
    """Looks rows of an array up by cxr_id; a picklable `target_of`."""

    def __init__(self, ids: Sequence[str], values: np.ndarray):
        self.row = {cxr_id: row for row, cxr_id in enumerate(ids)}
        self.values = values

    def __call__(self, cxr_id: str) -> np.ndarray:
        return self.values[self.row[cxr_id]]


def in_order(dataset: Dataset, batch_size: int, threads: int = 1) -> DataLoader:
    """Returns a loader of all items in their order, the last batch may be smaller."""
    return DataLoader(dataset, batch_size=batch_size, num_workers=workers(threads))


class EpochSampler(Sampler[int]):
    """Draws the items of an epoch anew from a seed and the number of the epoch.

    Args:
        draw: generator -> item numbers of one epoch.
        seed: of all epochs.
    """

    def __init__(self, draw: Callable[[torch.Generator], list[int]], seed: int):
        self.draw, self.seed, self.epoch = draw, seed, 0

    def __iter__(self) -> Iterator[int]:
        return iter(self._items(self.epoch))

    def __len__(self) -> int:
        return len(self._items(0))

    def _items(self, epoch: int) -> list[int]:
        return self.draw(torch.Generator().manual_seed(self.seed * 100_003 + epoch))


def workers(threads: int) -> int:
    """Returns the number of loader processes: beside a GPU, all threads but one; else none.

    Without a GPU the threads compute, and batches of small X-rays are read in between.
    """
    return max(0, threads - 1) if torch.cuda.is_available() else 0


def to_float(image: Tensor) -> Tensor:
    """Returns images as networks read them: uint8 [B, 1, H, W] -> float in [0, 1]."""
    return image.float() / 255
