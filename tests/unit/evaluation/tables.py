"""Tables of overlaps for tests."""

import numpy as np
import pandas as pd

METRICS = ("iou_dataset", "iou_image")


def table(*rows):
    """Overlaps from rows (cxr_id, pathology, intersection, truth pixels, predicted pixels)."""
    names = ["cxr_id", "pathology", "intersection", "truth_pixels", "predicted_pixels"]
    frame = pd.DataFrame(rows, columns=names)
    frame["patient"] = frame["cxr_id"].str.split("_").str[0]
    frame["union"] = frame["truth_pixels"] + frame["predicted_pixels"] - frame["intersection"]
    frame["pixels"] = 16
    return frame


SMALL = table(
    ("p1_a", "Edema", 1, 2, 2),  # IoU 1/3
    ("p1_b", "Edema", 4, 4, 5),  # IoU 4/5
    ("p2_a", "Edema", 0, 0, 3),  # false positive
    ("p1_a", "Nodule", 0, 0, 0),
    ("p1_b", "Nodule", 0, 0, 0),
    ("p2_a", "Nodule", 0, 7, 0),  # missed
    ("p1_a", "Nothing", 0, 0, 0),
    ("p1_b", "Nothing", 0, 0, 0),
    ("p2_a", "Nothing", 0, 0, 0),
)


def random_table(seed, pathologies=("Edema",)):
    """Overlaps of 24 X-rays of 12 patients, some masks empty."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(24):
        for pathology in pathologies:
            truth, predicted = rng.integers(0, 9, 2) * rng.integers(0, 2, 2)
            shared = rng.integers(0, min(truth, predicted) + 1)
            rows.append((f"p{number // 2:02d}_{number}", pathology, shared, truth, predicted))
    return table(*rows)
