"""False positives: predicted pixels of pathologies that an X-ray does not show."""

from __future__ import annotations

import pandas as pd


def count_false_positives(overlaps: pd.DataFrame) -> pd.DataFrame:
    """Counts the predictions of a run where the truth is empty, which `iou_image` ignores.

    Args:
        overlaps: from `overlap_table`.

    Returns:
        Columns pathology, negatives (X-rays with an empty truth), false_positives (negatives with
        any predicted pixel), share (false_positives / negatives), mean_pixels (predicted pixels per
        negative). The last two are NaN without negatives.
    """
    counts = overlaps[["pathology"]].assign(negatives=overlaps["truth_pixels"] == 0)
    counts["pixels"] = overlaps["predicted_pixels"].where(counts["negatives"], 0)
    counts["false_positives"] = counts["pixels"] > 0
    counts = counts.groupby("pathology", sort=False).sum().reset_index()
    counts["share"] = counts["false_positives"] / counts["negatives"]
    counts["mean_pixels"] = counts["pixels"] / counts["negatives"]
    return counts[["pathology", "negatives", "false_positives", "share", "mean_pixels"]]
