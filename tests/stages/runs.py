"""Overlaps of runs for tests of the stages behind them."""

import pandas as pd

from chexseg.config.settings import EvaluationSettings
from chexseg.stages import score_runs

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


def write_scores(folder, runs=RUNS, overlaps=None):
    """Scores runs, from overlaps of `write_overlaps` unless others are given; returns the replicates."""
    score_runs.run(
        overlaps=overlaps or write_overlaps(folder, runs),
        names=tuple(runs),
        out=folder / "summary.csv",
        replicates_out=folder / "replicates.npz",
        false_positives=folder / "false_positives.csv",
        settings=EvaluationSettings(replicates=50),
    )
    return folder / "replicates.npz"
