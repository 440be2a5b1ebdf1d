"""Quality of masks that teach: how well they agree with the experts', and what they must beat.

Masks are compared as they are stored, at the size of the images. The blind mean mask is what one
can draw without looking at an X-ray: the mean of the experts' masks of a pathology, cut, on every
X-ray with its label. Masks that are no better than that do not know where the pathology is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from chexseg.data.levels import certain_masks
from chexseg.evaluation.overlaps import COUNTS, ROW
from chexseg.evaluation.scores import MEAN, score


class BlindMean:
    """The mean of experts' masks, cut at its best threshold, where the image label allows it.

    The threshold of a pathology is the one with the highest IoU over the X-rays whose masks are
    averaged, each with its mask of the experts as truth, and gated by its label; all thresholds
    that make a difference are tried. The lowest wins a tie.

    Args:
        truth: cxr_id -> experts' masks, bool [P, S, S].
        positive: cxr_id -> bool [P], the labels that gate, of the averaged X-rays and of those that
            masks are asked for.
        ids: the X-rays to average. None, or none with a pathology: its mask is empty.
    """

    def __init__(
        self,
        truth: Mapping[str, np.ndarray],
        positive: Mapping[str, np.ndarray],
        ids: Iterable[str],
    ):
        self.positive, self.masks = positive, np.zeros((1, 1, 1), bool)
        drawn: Any = 0  # [P, S, S]: how many experts' masks a pixel is in, and ...
        gated: Any = 0  # ... in how many of those that the label allows
        allowed: Any = 0
        for cxr_id in ids:
            mask, gate = truth[cxr_id], positive[cxr_id]
            drawn = drawn + mask.astype(np.int64)
            gated = gated + (mask & gate[:, None, None])
            allowed = allowed + gate.astype(np.int64)
        if np.ndim(drawn):
            self.masks = np.stack(
                [_best_cut(*parts) for parts in zip(drawn, gated, allowed, strict=True)]
            )

    def __getitem__(self, cxr_id: str) -> np.ndarray:
        """Returns the masks of an X-ray, bool [P, S, S]."""
        return self.masks & self.positive[cxr_id][:, None, None]


def _best_cut(drawn: np.ndarray, gated: np.ndarray, allowed: int) -> np.ndarray:
    """Returns the pixels of one pathology that are in more than the best number of masks.

    Args:
        drawn: [S, S], in how many masks of the experts a pixel is.
        gated: [S, S], in how many of those on X-rays that the label allows.
        allowed: number of X-rays that the label allows.
    """
    # Element k of a sum is over the pixels that are in more than k masks.
    pixels, inside = (
        np.bincount(drawn.ravel(), weights=each)[::-1].cumsum()[::-1][1:]
        for each in (None, gated.ravel())
    )
    union = allowed * pixels + drawn.sum() - inside
    return drawn > (inside / union).argmax() if len(pixels) else np.zeros(drawn.shape, bool)


def count_stored(
    truth: Mapping[str, np.ndarray],
    made: Mapping[str, np.ndarray],
    *,
    patients: Mapping[str, str],
    pathologies: Collection[str],
) -> pd.DataFrame:
    """Counts the pixels that stored masks share with the experts'.

    Args:
        truth: cxr_id -> experts' masks, bool [P, S, S].
        made: cxr_id -> the masks to score, [P, S, S]: bool, or levels, which are cut at one half;
            pixels that are not known count as not drawn. One X-ray is read at a time.
        patients: X-ray -> patient, for the X-rays to score; at least one.
        pathologies: names of the P channels.

    Returns:
        One row per X-ray and pathology, in that order, with the columns of `overlap_table`; `pixels`
        is the size of a stored mask, with the padding of the letterbox.
    """
    counts = []
    for cxr_id in patients:
        drawn, predicted = truth[cxr_id], certain_masks(made[cxr_id])
        shared = np.count_nonzero(drawn & predicted, axis=(1, 2))
        areas = [np.count_nonzero(masks, axis=(1, 2)) for masks in (drawn, predicted)]
        pixels = np.full_like(shared, drawn[0].size)
        counts.append(np.stack([shared, sum(areas) - shared, *areas, pixels], axis=1))
    table = pd.DataFrame(np.concatenate(counts), columns=list(COUNTS))
    names = [(i, p, name) for i, p in patients.items() for name in pathologies]
    return pd.concat([pd.DataFrame(names, columns=list(ROW)), table], axis=1)


def score_masks(overlaps: pd.DataFrame, **settings: Any) -> pd.DataFrame:
    """Scores masks against the experts', with intervals.

    A pathology that the experts drew in none of the X-rays is not scored: its values are NaN, and
    means leave it out.

    Args:
        overlaps: from `count_stored`.
        settings: keyword arguments of `chexseg.evaluation.scores.score`.

    Returns:
        Columns pathology, metric, value, ci_low, ci_high, and n_images: the X-rays in which the
        experts drew the pathology; for the mean, in which they drew any.
    """
    drawn = overlaps["truth_pixels"] > 0
    unknown = ~drawn.groupby(overlaps["pathology"]).transform("any")
    counted = overlaps.copy()
    counted.loc[unknown, list(COUNTS)] = 0
    rows = score(counted, **settings).table()
    with_truth = overlaps[drawn].groupby("pathology")["cxr_id"].nunique()
    with_truth[MEAN] = overlaps.loc[drawn, "cxr_id"].nunique()
    rows["n_images"] = rows["pathology"].map(with_truth).fillna(0).astype(int)
    return rows
