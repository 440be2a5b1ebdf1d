"""The result of a study: what it compares, averaged over training seeds, and by how much it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chexseg.config.links import HUMAN
from chexseg.config.settings import FigureSettings
from chexseg.report.figure import TABLE, Figure, Inputs, Published

if TYPE_CHECKING:
    import pandas as pd

    from chexseg.report.tables import Panel, Row, Table


def draw(inputs: Inputs, settings: FigureSettings) -> Table:
    """Returns a row per run that the config itself names, and one per contrast."""
    import pandas as pd

    from chexseg.evaluation.scores import MEAN
    from chexseg.report.pictures import read_table
    from chexseg.report.points import read_runs
    from chexseg.report.tables import Table

    runs = read_runs(inputs)
    named = {*runs["run"][(runs["run"] == runs["of"]) | (runs["run"] == HUMAN)]}
    averages = read_table(inputs.averages)
    means = averages[(averages["pathology"] == MEAN) & averages["run"].isin(named)]
    compared = read_table(inputs.comparisons)
    compared = compared[compared["pathology"] == MEAN]
    panels = [_scores(means, inputs.published)]
    if len(compared):
        panels.append(_differences(compared))
    notes = [
        "In parentheses, or below: intervals over patients and, with several seeds, over seeds.",
        "Bold: the best score of a run, which need not be clearly better than the next; and "
        "differences whose interval does not contain 0.",
    ]
    if inputs.published:
        notes.append("Published scores, in grey, are of other data and are no part of this study.")
    data = pd.concat([means.drop(columns="runs"), _published_rows(inputs.published)])
    return Table("Result", panels, data, notes)


def published_rows(
    published: tuple[Published, ...], columns: list[str], metrics: list[str]
) -> list[Row]:
    """Returns a row of a table for each published score, under the columns of the metrics."""
    from chexseg.report.tables import NOTHING, Cell, Row

    return [
        Row(
            f"{each.run or each.name}, published ({each.source}; {each.data})",
            [Cell(f"{each.value:.3f}") if name == each.metric else NOTHING for name in columns],
            "published",
        )
        for each in published
        if each.metric in metrics
    ]


def _scores(means: pd.DataFrame, published: tuple[Published, ...]) -> Panel:
    """Returns the panel of the runs: seeds, X-rays, and the mean over pathologies by metric."""
    from chexseg.report.tables import Cell, Panel, Row, score_cell

    metrics = list(dict.fromkeys(means["metric"]))
    columns = ["seeds", "X-rays", *metrics]
    best = {metric: _best(means[means["metric"] == metric], metric) for metric in metrics}
    rows = []
    for run in dict.fromkeys(means["run"]):
        of_run = means[means["run"] == run].set_index("metric")
        first = of_run.iloc[0]
        cells = [Cell(f"{first['n_seeds']:.0f}"), Cell(f"{first['n_images']:.0f}")]
        cells += [score_cell(of_run.loc[metric], run == best[metric]) for metric in metrics]
        rows.append(Row(run, cells))
    rows += published_rows(published, columns, metrics)
    return Panel("Mean over pathologies", columns, rows)


def _best(rows: pd.DataFrame, metric: str) -> str | None:
    """Returns the best run, the human benchmark aside; None if no run has a score."""
    from chexseg.catalog import load
    from chexseg.evaluation.metrics import is_lower_better

    values = rows.set_index("run")["value"].drop(HUMAN, errors="ignore").dropna()
    if values.empty:
        return None
    return values.idxmin() if is_lower_better(load("metric", metric)) else values.idxmax()


def _differences(compared: pd.DataFrame) -> Panel:
    """Returns the panel of the contrasts: difference, interval, corrected p-value and verdict."""
    from chexseg.catalog import load
    from chexseg.evaluation.metrics import is_lower_better
    from chexseg.report.comparisons import p_text, verdict
    from chexseg.report.tables import NOTHING, Cell, Panel, Row

    metrics = list(dict.fromkeys(compared["metric"]))
    rows = []
    for contrast in dict.fromkeys(compared["contrast"]):
        of_contrast = compared[compared["contrast"] == contrast].set_index("metric")
        cells = []
        for metric in metrics:
            row = of_contrast.loc[metric]
            if row.isna()["difference"]:
                cells.append(NOTHING)
                continue
            found = verdict(row, is_lower_better(load("metric", metric)))
            interval = f"{row['ci_low']:+.3f} to {row['ci_high']:+.3f}{p_text(row)}: {found}"
            cells.append(Cell(f"{row['difference']:+.3f}", interval, found in ("better", "worse")))
        rows.append(Row(contrast, cells))
    return Panel("Differences", metrics, rows)


def _published_rows(published: tuple[Published, ...]) -> pd.DataFrame:
    import pandas as pd

    rows = [each._asdict() for each in published]
    table = pd.DataFrame(rows, columns=Published._fields).drop(columns="name")
    return table.rename(columns={"data": "published_data", "source": "published_source"})


RESULT = Figure(
    draw,
    roles=("runs", "averages", "comparisons"),
    category="Result",
    title="the result",
    description="The runs that the config names, averaged over their training seeds, in the mean "
    "over pathologies, with intervals over patients and seeds; the best is in bold, and may be a tie. "
    "Differences: those of the contrasts, in bold if the interval does not contain 0; p is corrected by "
    "Holm's method for the number of contrasts. Published "
    "scores are of other data.",
    formats=TABLE,
    published=True,
)
