"""Masks of some classes, of a store that may have others, or the same in another order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chexseg.files.store import Store


class Channels:
    """Reads the masks of some classes from a store; a class that the store lacks is empty.

    Args:
        store: of masks, bool or levels.
        classes: names of the channels that are read, in their order.
    """

    def __init__(self, store: Store, classes: Sequence[str]):
        there = {name: number for number, name in enumerate(store.meta["classes"])}
        self.store, self.number = store, len(classes)
        self.to = [number for number, name in enumerate(classes) if name in there]
        self.places = [there[name] for name in classes if name in there]

    def __getitem__(self, cxr_id: str) -> np.ndarray:
        """Returns the masks of an X-ray, [C, S, S], of the store's dtype."""
        masks = self.store[cxr_id]
        if self.places == list(range(len(masks))) and self.number == len(masks):
            return masks
        read = np.zeros((self.number, *masks.shape[1:]), masks.dtype)
        read[self.to] = masks[self.places]
        return read
