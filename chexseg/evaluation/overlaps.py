"""How many pixels two sets of masks share, counted on their run lengths.

pycocotools merges run lengths without decoding a pixel; it must only be given masks that
`read_masks` has checked, or that `encode` made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pycocotools import mask as coco

from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.data.masks import Rle, patient_of
from chexseg.errors import Problems

Masks = Mapping[str, Mapping[str, Rle]]
COUNTS = ("intersection", "union", "truth_pixels", "predicted_pixels")
COLUMNS = ("cxr_id", "patient", "pathology", *COUNTS)


def overlap_table(
    truth: Masks,
    prediction: Masks,
    *,
    cxr_ids: Sequence[str] | None = None,
    pathologies: Sequence[str] = PATHOLOGIES,
) -> pd.DataFrame:
    """Counts the pixels of truth, prediction, their intersection and their union.

    Args:
        truth: masks as from `read_masks`.
        prediction: masks of the same X-rays. In both, an X-ray or a pathology without an entry
            is an empty mask: CheXlocalize leaves out X-rays without any positive label.
        cxr_ids: the X-rays that count; None for those of either file, sorted.
        pathologies: the pathologies that count.

    Returns:
        One row for each X-ray and pathology, in that order, with the columns COLUMNS; the counts
        are int64.

    Raises:
        InputError: masks of the same X-ray and pathology differ in size; all of them at once.
    """
    if cxr_ids is None:
        cxr_ids = sorted({*truth, *prediction})
    problems, counts = Problems(), []
    for cxr_id in cxr_ids:
        for pathology in pathologies:
            drawn = truth.get(cxr_id, {}).get(pathology)
            predicted = prediction.get(cxr_id, {}).get(pathology)
            if drawn and predicted and drawn["size"] != predicted["size"]:
                problems.add(
                    f"{cxr_id}:{pathology}", f"a prediction of size {predicted['size']}",
                    f"{drawn['size']}, the size of the truth",
                    "Give masks at the X-ray's own size, height first.",
                )  # fmt: skip
            else:
                counts.append(_count(drawn, predicted))
    problems.raise_if_any()
    table = pd.DataFrame(counts, columns=list(COUNTS), dtype=np.int64)
    table["cxr_id"] = [cxr_id for cxr_id in cxr_ids for _ in pathologies]
    table["pathology"] = [pathology for _ in cxr_ids for pathology in pathologies]
    table["patient"] = table["cxr_id"].map(patient_of)
    return table[list(COLUMNS)]


def _count(drawn: Rle | None, predicted: Rle | None) -> tuple[int, int, int, int]:
    """Returns COUNTS of two masks of equal size."""
    truth_pixels = int(coco.area(drawn)) if drawn else 0
    predicted_pixels = int(coco.area(predicted)) if predicted else 0
    shared = 0
    if truth_pixels and predicted_pixels:
        shared = int(coco.area(coco.merge([drawn, predicted], intersect=True)))
    union = truth_pixels + predicted_pixels - shared
    return shared, union, truth_pixels, predicted_pixels
