"""Recall of pixels over the data set (sensitivity)."""

from __future__ import annotations

import numpy as np
import pandas as pd


def recall(overlaps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Divides the pixels of the truth that are predicted by all pixels of the truth."""
    return overlaps["intersection"].to_numpy(), overlaps["truth_pixels"].to_numpy()
