"""Specificity of pixels over the data set (true negative rate)."""

from __future__ import annotations

import numpy as np
import pandas as pd


def specificity(overlaps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Divides the pixels outside both masks by the pixels outside the truth.

    X-rays of unknown size do not count.
    """
    known = (overlaps["pixels"] > 0).to_numpy()
    negative = (overlaps["pixels"] - overlaps["truth_pixels"]).to_numpy()
    both = (overlaps["pixels"] - overlaps["union"]).to_numpy()
    return np.where(known, both, 0), np.where(known, negative, 0)
