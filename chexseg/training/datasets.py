"""Data sets for training: X-rays from stores, with labels or masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from chexseg.errors import InputError, Problem
from chexseg.files.store import Store


@dataclass(frozen=True)
class Source:
    """Holds the X-rays and targets of one kind of supervision.

    Attributes:
        name: name for logs.
        ids: cxr_id of its X-rays.
        targets: name of a target, such as `labels` or `masks` -> (cxr_id -> its array). Sources
            that are read together must have targets of the same names.
    """

    name: str
    ids: Sequence[str]
    targets: Mapping[str, Callable[[str], np.ndarray]]


class Supervised(Dataset):
    """A data set of X-rays with targets, from one or several concatenated sources.

    An item is a dict of `image`, uint8 [1, S, S], and the targets of its source. Items are numbered
    through the first source, then the second, and so on.
    """

    def __init__(self, images: Store, *sources: Source):
        self.images = images
        self.items = [(source, cxr_id) for source in sources for cxr_id in source.ids]

    @property
    def ids(self) -> list[str]:
        """cxr_id of each item."""
        return [cxr_id for _, cxr_id in self.items]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        source, cxr_id = self.items[number]
        arrays = {name: np.ascontiguousarray(of(cxr_id)) for name, of in source.targets.items()}
        targets = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {"image": torch.from_numpy(self.images[cxr_id])[None], **targets}


class Rows:
    """Looks up rows of an array by cxr_id; a target of `Source` that can be pickled."""

    def __init__(self, ids: Sequence[str], values: np.ndarray):
        self.row = {cxr_id: row for row, cxr_id in enumerate(ids)}
        self.values = values

    def __call__(self, cxr_id: str) -> np.ndarray:
        return self.values[self.row[cxr_id]]


class BatchSampler(Sampler[list[int]]):
    """Draws the batches of an epoch from a seed and the number of the epoch.

    Several processes share a batch, and each may compute its share in several parts. Concatenated
    by part and then by process, the items of all processes equal those of a single process. The
    last batch of an epoch is dropped if it is smaller, since BatchNorm cannot train on a single
    X-ray.

    Args:
        draw: generator -> item numbers of one epoch.
        seed: seed of all epochs.
        batch_size: items in a batch, over all processes and parts; a multiple of parts x
            processes. An epoch with fewer items is one batch.
        parts: number of parts of each batch.
        process: number of this process, from 0.
        processes: number of processes.

    Attributes:
        epoch: number of the epoch; set it before iterating.
        first: number of batches to skip because they were already used.
        part_size: items in a part of a batch, over all processes.
        share: rows of a part that belong to this process.

    Raises:
        InputError: a batch cannot be split evenly.
    """

    def __init__(
        self,
        draw: Callable[[torch.Generator], list[int]],
        seed: int,
        batch_size: int,
        *,
        parts: int = 1,
        process: int = 0,
        processes: int = 1,
    ):
        self.draw, self.seed, self.parts, self.epoch, self.first = draw, seed, parts, 0, 0
        items = len(self._items())
        self.batch_size = min(batch_size, items)
        if not items or self.batch_size % (parts * processes):
            found = f"{self.batch_size} X-rays for {parts} parts on {processes} processes"
            expected = f"a multiple of {parts * processes}, in at most the {items} of an epoch"
            remedy = "Change batch_size, gradient_accumulation or the number of processes."
            raise InputError([Problem("batch_size", found, expected, remedy)])
        self.batches = items // self.batch_size
        self.part_size = self.batch_size // parts
        length = self.part_size // processes
        self.share = slice(process * length, (process + 1) * length)

    def __iter__(self) -> Iterator[list[int]]:
        items = self._items()
        for part in range(self.first * self.parts, self.batches * self.parts):
            start = part * self.part_size
            yield items[start : start + self.part_size][self.share]

    def __len__(self) -> int:
        return (self.batches - self.first) * self.parts

    def _items(self) -> list[int]:
        return self.draw(torch.Generator().manual_seed(self.seed * 100_003 + self.epoch))
