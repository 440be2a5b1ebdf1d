"""How far the voters of masks agree, counted while the masks of a shard are made."""

from __future__ import annotations

from typing import Any

import numpy as np


class Votes:
    """Adds up the agreement of voters, class by class.

    Args:
        voters: number of voters K.
        classes: number of classes C.

    Attributes:
        images: [C] X-rays on which the voters have a consensus.
        without_map: [C] X-rays whose maps are 0 everywhere, of all voters.
        left_out: [C] X-rays on which the voters agree too little.
        likeness: [K, C] sum of each voter's likeness to the consensus, over `images`.
        silent: [K, C] X-rays on which the map of a voter is 0 everywhere.
    """

    def __init__(self, voters: int, classes: int):
        self.images, self.without_map, self.left_out = np.zeros((3, classes), np.int64)
        self.likeness = np.zeros((voters, classes))
        self.silent = np.zeros((voters, classes), np.int64)

    def add(self, number: int, likeness: np.ndarray, silent: np.ndarray, left_out: bool) -> None:
        """Counts one X-ray for the class of a number.

        Args:
            number: of the class.
            likeness: [K] of each voter.
            silent: [K] bool, whether the voter's map is 0 everywhere.
            left_out: whether the voters agree too little.
        """
        self.silent[:, number] += silent
        if silent.all():
            self.without_map[number] += 1
            return
        self.images[number] += 1
        self.left_out[number] += left_out
        self.likeness[:, number] += likeness

    def notes(self) -> dict[str, Any]:
        """Returns the sums as plain lists, for the store."""
        return {name: values.tolist() for name, values in vars(self).items()}
