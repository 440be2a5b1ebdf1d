"""Overlaps of runs for tests of the stages behind them."""

import pandas as pd

RUNS = {"weak": 2, "strong": 3, "radiologists": 4}
"""Run -> pixels that it finds of 4 pixels of Edema; it finds one less of Cardiomegaly."""


def write_overlaps(folder, runs=RUNS, images=6):
    """Writes a table of overlaps for each run; returns the paths."""
    paths = []
    for name, found in runs.items():
        rows = [
            (f"patient{n}_a", f"patient{n}", pathology, shared, 4, 4, shared, 64)
            for n in range(images)
            for pathology, shared in (("Edema", found), ("Cardiomegaly", found - 1))
        ]
        columns = ["cxr_id", "patient", "pathology", "intersection", "union", "truth_pixels"]
        table = pd.DataFrame(rows, columns=[*columns, "predicted_pixels", "pixels"])
        paths.append(folder / f"{name}.csv")
        table.to_csv(paths[-1], index=False)
    return tuple(paths)
