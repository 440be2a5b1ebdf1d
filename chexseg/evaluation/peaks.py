"""Peaks of saliency maps, as masks of a single pixel, and what they must beat.

Whether a peak lies in the experts' mask says where a map looks, whatever its shape and its cut: the
pointing game (Zhang et al., IJCV 2018), and `hitmiss` of CheXlocalize (Saporta et al., 2022).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np


class Peaks:
    """Masks of the peaks of maps: the centre of the cell with the highest value.

    The first of equal cells wins, row by row. A map that is nowhere above 0 has no peak.

    Args:
        maps: cxr_id -> maps at their own resolution, [P, h, w].
        size: side S of the masks.
    """

    def __init__(self, maps: Mapping[str, np.ndarray], size: int):
        self.maps, self.size = maps, size

    def __getitem__(self, cxr_id: str) -> np.ndarray:
        """Returns masks of at most one pixel each, bool [P, S, S]."""
        maps = self.maps[cxr_id]
        height, width = maps.shape[1:]
        cells = maps.reshape(len(maps), -1)
        rows, columns = np.divmod(cells.argmax(1), width)
        rows = (2 * rows + 1) * self.size // (2 * height)
        columns = (2 * columns + 1) * self.size // (2 * width)
        masks = np.zeros((len(maps), self.size, self.size), bool)
        masks[np.arange(len(maps)), rows, columns] = cells.max(1) > 0
        return masks


class BlindPeak:
    """The pixel that most of the experts' masks of a pathology share, on every X-ray.

    Of several such pixels, it is the one nearest to their mean. Maps that hit no more often do not
    know where the pathology is.

    Args:
        truth: cxr_id -> experts' masks, bool [P, S, S].
        ids: the X-rays whose masks are counted. None, or none with a pathology: it has no peak.
        shape: P, S, S.
    """

    def __init__(
        self, truth: Mapping[str, np.ndarray], ids: Iterable[str], shape: tuple[int, int, int]
    ):
        drawn = np.zeros(shape, np.int64)
        for cxr_id in ids:
            drawn += truth[cxr_id]
        self.masks = np.zeros(shape, bool)
        for channel, counts in enumerate(drawn):
            if counts.any():
                most = np.argwhere(counts == counts.max())
                nearest = np.square(most - most.mean(0)).sum(1).argmin()
                self.masks[channel, *most[nearest]] = True

    def __getitem__(self, cxr_id: str) -> np.ndarray:
        """Returns masks of at most one pixel each, bool [P, S, S]; the same for every X-ray."""
        return self.masks
