"""Mean IoU of X-rays, as CheXlocalize scores by default (Saporta et al., 2022)."""

from __future__ import annotations

import numpy as np
import pandas as pd


def iou_image(overlaps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Averages the IoU of the X-rays in which both the expert and the run draw something.

    What a run draws where there is nothing, or misses altogether, does not count.
    """
    both = ((overlaps["truth_pixels"] > 0) & (overlaps["predicted_pixels"] > 0)).to_numpy()
    intersection, union = overlaps["intersection"].to_numpy(), overlaps["union"].to_numpy()
    return np.divide(intersection, union, out=np.zeros(len(overlaps)), where=both), both
