"""How well readers agree on what is in an X-ray, and on where it is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from chexseg.data.boxes import Box, corners_of, intersection_over_union


def agreement_of_readers(
    boxes: Sequence[Box],
    readers: Mapping[str, Sequence[str]],
    findings: Sequence[str],
    *,
    same: float,
) -> pd.DataFrame:
    """Tells how well readers agree on each finding.

    Args:
        boxes: boxes of all readers and X-rays.
        readers: cxr_id -> all who read the X-ray, whether or not they drew anything.
        findings: the findings to report.
        same: two boxes enclose the same if their IoU is at least this.

    Returns:
        A row per finding, with columns:

        - finding.
        - x_rays: X-rays in which any reader drew it.
        - boxes: number of boxes.
        - kappa: Fleiss' kappa of whether it is in an X-ray; see `presence_kappa`.
        - matched: share of the boxes that have a partner, over all pairs of readers of an X-ray: twice
          the number of matched pairs over the number of boxes, the Dice of sets of boxes.
        - iou: mean IoU of the matched pairs.

        A value is NaN if there is nothing to average.
    """
    by_place: dict[tuple[str, str, str], list[Box]] = {}
    for box in boxes:
        by_place.setdefault((box.finding, box.cxr_id, box.reader), []).append(box)
    rows = []
    for finding in findings:
        drawn = {cxr_id: sum((finding, cxr_id, name) in by_place for name in names)
                 for cxr_id, names in readers.items()}  # fmt: skip
        overlaps, pairs = [], 0
        for cxr_id, names in readers.items():
            for one, other in itertools.combinations(names, 2) if drawn[cxr_id] else ():
                both = [by_place.get((finding, cxr_id, name), []) for name in (one, other)]
                overlaps += matched_overlaps(*map(corners_of, both), same=same).tolist()
                pairs += len(both[0]) + len(both[1])
        counts = [(drawn[cxr_id], len(names)) for cxr_id, names in readers.items()]
        rows.append({
            "finding": finding,
            "x_rays": sum(number > 0 for number in drawn.values()),
            "boxes": sum(len(each) for (name, *_), each in by_place.items() if name == finding),
            "kappa": presence_kappa(np.array(counts, int).reshape(-1, 2)),
            "matched": 2 * len(overlaps) / pairs if pairs else math.nan,
            "iou": float(np.mean(overlaps)) if overlaps else math.nan,
        })  # fmt: skip
    return pd.DataFrame(rows)


def matched_overlaps(one: np.ndarray, other: np.ndarray, *, same: float) -> np.ndarray:
    """Returns the IoU of the boxes of two readers that enclose the same.

    Each box has at most one partner. The pairs are those with the largest sum of IoU (Kuhn, 1955).

    Args:
        one, other: [N, 4] and [M, 4].
        same: pairs with a smaller IoU do not count.

    Returns:
        [number of pairs].
    """
    overlap = intersection_over_union(one, other)
    overlap = np.where(overlap >= same, overlap, 0)
    found = overlap[linear_sum_assignment(overlap, maximize=True)]
    return found[found > 0]


def presence_kappa(counts: np.ndarray) -> float:
    """Returns Fleiss' kappa (1971) of whether readers find something in an X-ray.

    Readers may differ from X-ray to X-ray, but not in number: the X-rays that as many have read as
    most others count.

    Args:
        counts: [N, 2] int, number of readers who found it, and of all who read the X-ray.

    Returns:
        1 for full agreement, 0 for that of chance; NaN with fewer than two readers, or if all or none
        found it everywhere.
    """
    if not len(counts):
        return math.nan
    readers = int(np.bincount(counts[:, 1]).argmax())
    found = counts[counts[:, 1] == readers, 0]
    if readers < 2 or found.sum() in (0, readers * len(found)):
        return math.nan
    # statsmodels takes seconds to import, so only this function does.
    from statsmodels.stats.inter_rater import fleiss_kappa

    return float(fleiss_kappa(np.stack([found, readers - found], axis=1)))
