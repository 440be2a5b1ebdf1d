"""The consensus of several classifiers' maps: votes, their mean, how alike they are, and its cuts.

Source: Li et al., "Cross-model consensus of explanations and beyond for image classification
models", 2021 (arXiv 2109.00707): the mean over models of the absolute attributions; the more alike a
model's map is to it, the more accurate is the model. Its likeness is measured here by rank
correlation, which does not depend on how a map is scaled.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata
from torch.nn import functional

from chexseg.files.store_format import CERTAIN, UNKNOWN

LIKENESS_SIDE = 64
"""Maps are averaged to at most so many cells a side before they are ranked: blurred maps change little
from pixel to pixel, and ranking takes longer than all else."""

DIGITS = 9
"""Decimals of a vote, whose mean is about 1: sums in another order leave other digits behind them, which
would rank pixels that are equal."""


def vote(maps: np.ndarray, *, size: int, blur: float) -> np.ndarray:
    """Returns what maps say in the consensus: their absolute values, each map with the same weight.

    A map is resized bilinearly, divided by its mean, and blurred by a box. Without the mean a few
    pixels of a noisy map, which decide its maximum, would decide the weight of all others.

    Args:
        maps: [M, h, w], signed or not, summed over the channels of the image.
        size: side of the votes in pixels.
        blur: side of the box, as a share of `size`; rounded to an odd number of pixels. Pixels
            beyond the edge mirror those inside. CheXseg's public code blurs maps of Integrated
            Gradients by a fifth.

    Returns:
        [M, size, size] float64, at least 0. The vote of a map that is 0 everywhere is 0.
    """
    absolute = torch.from_numpy(np.abs(maps, dtype=np.float64))
    resized = functional.interpolate(
        absolute[:, None], size=(size, size), mode="bilinear", align_corners=False
    )[:, 0].numpy()
    mean = resized.mean((1, 2), keepdims=True)
    side = 2 * int(blur * size / 2) + 1
    blurred = uniform_filter(
        resized / np.where(mean > 0, mean, 1), size=(1, side, side), mode="mirror"
    )
    return blurred.round(DIGITS)


def likeness(votes: np.ndarray) -> np.ndarray:
    """Returns the rank correlation (Spearman's) of each vote with the mean of all.

    Args:
        votes: [K, M, S, S].

    Returns:
        [K, M] float64 in [-1, 1]; 0 if the vote or the mean is the same in all pixels.
    """
    side = min(LIKENESS_SIDE, votes.shape[-1])
    cells = functional.adaptive_avg_pool2d(torch.from_numpy(votes), side).numpy().round(DIGITS)
    together = cells.mean(0, keepdims=True).round(DIGITS)
    ranks = rankdata(np.concatenate([cells, together]).reshape(len(cells) + 1, -1, side**2), axis=2)
    ranks -= ranks.mean(2, keepdims=True)
    norms = np.sqrt((ranks**2).sum(2))
    products = (ranks[:-1] * ranks[-1]).sum(2)
    norm = norms[:-1] * norms[-1]
    return np.divide(products, norm, out=np.zeros_like(products), where=norm > 0).clip(-1, 1)


def consensus(votes: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Returns the mean vote.

    Args:
        votes: [K, M, S, S].
        weights: [K, M] of the voters, such as their likeness; below 0 counts as 0, and if no voter
            of a map has any, all have the same. None: all have the same.

    Returns:
        [M, S, S] float64.
    """
    if weights is None:
        return votes.mean(0)
    weights = weights.clip(0, None)
    weights = np.where(weights.sum(0) > 0, weights, 1)
    shares = (weights / weights.sum(0))[..., None, None]
    return (shares * votes).sum(0)


def value_at(cut: str, values: np.ndarray) -> float:
    """Returns the value of a map at which it is cut.

    Args:
        cut: a share of the maximum, such as "0.5"; "otsu", Otsu's threshold of the map
            (scikit-image's, with 256 bins); or "quantile 0.9", above which a tenth of the pixels
            is.
        values: [S, S], at least 0.
    """
    if cut == "otsu":
        from skimage.filters import threshold_otsu

        return float(threshold_otsu(values))
    kind, _, number = cut.rpartition(" ")
    return float(np.quantile(values, float(number)) if kind else float(number) * values.max())


def levels(values: np.ndarray, threshold: str, certain_background: str | None) -> np.ndarray:
    """Cuts a map into mask, background and what is not known, as levels (`chexseg.data.levels`).

    Args:
        values: [S, S], at least 0.
        threshold: the cut above which a pixel belongs to the mask.
        certain_background: the cut up to which a pixel surely does not; None: all that is not in
            the mask.

    Returns:
        [S, S] uint8. Of a map that is 0 everywhere nothing is known.
    """
    if not values.any():
        return np.full(values.shape, UNKNOWN, np.uint8)
    mask = values > value_at(threshold, values)
    known = np.True_
    if certain_background is not None:
        known = mask | (values <= value_at(certain_background, values))
    return np.where(known, mask * np.uint8(CERTAIN), np.uint8(UNKNOWN))
