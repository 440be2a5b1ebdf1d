"""Precision of pixels over the data set (positive predictive value)."""

from __future__ import annotations

import numpy as np
import pandas as pd


def precision(overlaps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Divides the predicted pixels that are in the truth by all predicted pixels."""
    return overlaps["intersection"].to_numpy(), overlaps["predicted_pixels"].to_numpy()
