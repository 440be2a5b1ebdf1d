"""Table of the scores of all runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chexseg.config.links import HUMAN
from chexseg.config.settings import FigureSettings
from chexseg.report.figure import TABLE as FORMATS
from chexseg.report.figure import Figure, Inputs

if TYPE_CHECKING:
    import pandas as pd

    from chexseg.report.tables import Row, Table


def draw(inputs: Inputs, settings: FigureSettings) -> Table:
    """Returns a panel per metric, with a column per run and a row per pathology."""
    from chexseg.catalog import load
    from chexseg.evaluation.metrics import is_lower_better
    from chexseg.report.pictures import note_of_left_out, read_table
    from chexseg.report.tables import Panel, Table

    averages = read_table(inputs.averages)
    every = list(dict.fromkeys(averages["run"]))
    runs = [run for run in every if run == HUMAN or inputs.shows(f"segmenters/{run}")]
    averages = averages[averages["run"].isin(runs)]
    panels = []
    for metric, scores in averages.groupby("metric", sort=False):
        lower = is_lower_better(load("metric", metric))
        rows = [
            _row(pathology, of_pathology.set_index("run").reindex(runs), lower)
            for pathology, of_pathology in scores.groupby("pathology", sort=False)
        ]
        panels.append(Panel(f"{metric}{' (lower is better)' * lower}", runs, rows))
    notes = [
        "With each value: its interval over patients and, with several seeds, over seeds, and the "
        "number of X-rays. –: nothing to score.",
        note_of_left_out(len(runs), len(every), "runs"),
    ]
    return Table("Scores", panels, averages, [note for note in notes if note])


def _row(pathology: str, scores: pd.DataFrame, lower_is_better: bool) -> Row:
    """Returns a row of the table, from the scores of the runs on a pathology."""
    from chexseg.evaluation.scores import MEAN
    from chexseg.report.tables import Row, score_cell

    values = scores["value"].drop(HUMAN, errors="ignore")
    best = values.min() if lower_is_better else values.max()
    cells = [score_cell(row, row["value"] == best, counted=True) for _, row in scores.iterrows()]
    return Row(pathology, cells, "mean" if pathology == MEAN else "")


TABLE = Figure(
    draw,
    roles=("averages",),
    bounded=("averages",),
    category="Scores",
    title="scores, as a table",
    description="The scores of averages.csv with the runs side by side, averaged over training seeds; "
    "the best of each row is in bold. It may be a tie: comparisons.csv has the differences with their "
    "intervals. At most 16 runs are shown, and none of sweeps if there are more.",
    formats=FORMATS,
)
