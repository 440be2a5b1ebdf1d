"""Mean IoU of X-rays, the default of CheXlocalize (Saporta et al., 2022)."""

from __future__ import annotations

import numpy as np
import pandas as pd


def iou_image(overlaps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Averages the IoU over X-rays whose truth and prediction are both not empty.

    False positives on X-rays without the pathology, and complete misses, do not count.
    """
    both = ((overlaps["truth_pixels"] > 0) & (overlaps["predicted_pixels"] > 0)).to_numpy()
    intersection, union = overlaps["intersection"].to_numpy(), overlaps["union"].to_numpy()
    return np.divide(intersection, union, out=np.zeros(len(overlaps)), where=both), both
