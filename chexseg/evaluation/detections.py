"""Boxes that a probability map suggests, and which boxes of the truth they hit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from chexseg.data.boxes import intersection_over_union

NEIGHBOURS = np.ones((3, 3), bool)
"""Pixels that touch by a side or a corner belong together."""


def detect(
    probability: np.ndarray, *, threshold: float, smallest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the boxes around the connected parts of a map above a threshold.

    The score of a box is the highest probability in it, as usual for lesions (PI-CAI: Saha et al.,
    Lancet Oncology 2024).

    Args:
        probability: [H, W]. NaN is not above the threshold.
        threshold: a pixel belongs to a part if its probability is greater.
        smallest: parts with fewer pixels are left out.

    Returns:
        Corners, float64 [D, 4] in pixels, and scores, float64 [D], from the highest score down.
    """
    labels, number = ndimage.label(probability > threshold, structure=NEIGHBOURS)
    pixels = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    kept = np.flatnonzero(pixels >= smallest)
    places = ndimage.find_objects(labels)
    corners = [
        (columns.start, rows.start, columns.stop, rows.stop)
        for rows, columns in (places[each] for each in kept)
    ]
    scores = np.asarray(ndimage.maximum(probability, labels, kept + 1), np.float64).reshape(-1)
    order = np.argsort(-scores, kind="stable")
    return np.array(corners, np.float64).reshape(-1, 4)[order], scores[order]


Criterion = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Boxes of the truth [T, 4], detected ones [D, 4] -> whether each hits each: bool [T, D]."""


def by_overlap(least: float) -> Criterion:
    """Returns the criterion that a box is hit by one whose IoU with it is at least `least`."""

    def hits(truth: np.ndarray, detected: np.ndarray) -> np.ndarray:
        return intersection_over_union(truth, detected) >= least

    return hits


def by_centre(truth: np.ndarray, detected: np.ndarray) -> np.ndarray:
    """Returns whether the centre of a detected box is in a box of the truth; see `Criterion`."""
    centre = (detected[:, :2] + detected[:, 2:]) / 2
    low, high = truth[:, None, :2], truth[:, None, 2:]
    return ((centre >= low) & (centre <= high)).all(-1)


CRITERIA: dict[str, Criterion] = {
    "iou_0.2": by_overlap(0.2),
    "iou_0.4": by_overlap(0.4),
    "centre": by_centre,
}
"""Name of a criterion, in metrics and figures -> the criterion."""


def match(
    truth: np.ndarray, detected: np.ndarray, scores: np.ndarray, criterion: Criterion
) -> tuple[np.ndarray, np.ndarray]:
    """Returns at which scores the boxes of an X-ray are found, and which detections are false.

    A box of the truth is found at the highest score of those that hit it. A detection that hits
    nothing is a false positive; a second one of the same box is neither, as in LUNA16 (Setio et al.,
    Medical Image Analysis 2017). One that hits two boxes of the truth, such as those of two findings
    at the same place, finds both.

    Args:
        truth: [T, 4], all boxes of the X-ray, whatever they show.
        detected: [D, 4].
        scores: [D], above minus infinity.
        criterion: what is a hit.

    Returns:
        Scores of the truth [T], minus infinity where it is missed; and scores of the false positives.
    """
    hits = criterion(truth, detected)
    found = np.where(hits, scores, -np.inf).max(axis=1, initial=-np.inf)
    return found, scores[~hits.any(axis=0)]
