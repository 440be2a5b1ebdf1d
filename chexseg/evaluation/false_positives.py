"""What runs draw where the expert sees nothing."""

from __future__ import annotations

import pandas as pd


def false_positives(overlaps: pd.DataFrame) -> pd.DataFrame:
    """Says what a run draws where the truth is empty, which `iou_image` does not see.

    Args:
        overlaps: from `overlap_table`.

    Returns:
        Columns pathology, negatives (X-rays with an empty truth), false_positives (those of them
        with any predicted pixel), share (of the two; NaN without negatives), mean_pixels
        (predicted pixels per negative X-ray; NaN without negatives).
    """
    counts = overlaps[["pathology"]].assign(negatives=overlaps["truth_pixels"] == 0)
    counts["pixels"] = overlaps["predicted_pixels"].where(counts["negatives"], 0)
    counts["false_positives"] = counts["pixels"] > 0
    counts = counts.groupby("pathology", sort=False).sum().reset_index()
    counts["share"] = counts["false_positives"] / counts["negatives"]
    counts["mean_pixels"] = counts["pixels"] / counts["negatives"]
    return counts[["pathology", "negatives", "false_positives", "share", "mean_pixels"]]
