"""Hit rate: on how many X-rays with a pathology the prediction meets the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd


def hit_rate(overlaps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Divides the X-rays on which truth and prediction share a pixel by those with the pathology.

    If the prediction is only the peak of a saliency map, this is the hit rate of CheXlocalize
    (Saporta et al., 2022), the pointing game of Zhang et al. (IJCV 2018). A mask of many pixels
    meets the truth more easily, so masks and peaks cannot be compared by it.
    """
    positive = (overlaps["truth_pixels"] > 0).to_numpy()
    return positive & (overlaps["intersection"] > 0).to_numpy(), positive
