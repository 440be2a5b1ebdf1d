"""Share of the X-rays without a pathology on which it is predicted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from chexseg.evaluation.metrics import lower_is_better


@lower_is_better
def false_positives(overlaps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Divides the X-rays with a prediction but an empty truth by those with an empty truth."""
    negative = (overlaps["truth_pixels"] == 0).to_numpy()
    return negative & (overlaps["predicted_pixels"] > 0).to_numpy(), negative
