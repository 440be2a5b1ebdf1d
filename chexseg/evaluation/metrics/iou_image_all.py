"""Mean IoU of X-rays with a mask in the truth or the prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd


def iou_image_all(overlaps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Averages the IoU over X-rays whose truth or prediction is not empty.

    Unlike `iou_image`, misses and false positives count as 0: CheXlocalize's evaluation with
    `--true_pos_only False` (Saporta et al., 2022).
    """
    intersection, union = overlaps["intersection"].to_numpy(), overlaps["union"].to_numpy()
    either = union > 0
    return np.divide(intersection, union, out=np.zeros(len(overlaps)), where=either), either
