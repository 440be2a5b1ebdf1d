"""Table of the scores of all runs side by side, as an HTML page."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

from chexseg.config.links import HUMAN
from chexseg.config.settings import FigureSettings
from chexseg.report.figure import Figure, Inputs

if TYPE_CHECKING:
    import pandas as pd

STYLE = """\
body{font:15px/1.4 system-ui,sans-serif;margin:2em;color:#222}
table{border-collapse:collapse}
td,th{padding:.35em .8em;text-align:right}
th:first-child{text-align:left}
tr+tr{border-top:1px solid #ddd}
small{color:#777;display:block;font-weight:400;white-space:nowrap}
.mean{border-top:2px solid #444!important}
.best{font-weight:700}
"""


def draw(inputs: Inputs, settings: FigureSettings, out: Path) -> None:
    """Writes a table per metric, with a column per run and a row per pathology."""
    from chexseg.catalog import load
    from chexseg.evaluation.metrics import is_lower_better
    from chexseg.files.atomic import atomic
    from chexseg.report.pictures import read_table

    summary = read_table(inputs.summary)
    parts = []
    for metric, rows in summary.groupby("metric", sort=False):
        runs, lower = list(dict.fromkeys(rows["run"])), is_lower_better(load("metric", metric))
        head = "".join(f"<th>{html.escape(run)}</th>" for run in runs)
        lines = [
            _line(pathology, scores.set_index("run").reindex(runs), lower)
            for pathology, scores in rows.groupby("pathology", sort=False)
        ]
        parts.append(
            f"<h2>{html.escape(metric)}{' (lower is better)' * lower}</h2><table><tr><th></th>{head}</tr>{''.join(lines)}</table>"
        )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Scores</title>'
        f"<style>{STYLE}</style>{''.join(parts)}"
        "<p>Below each value: its interval (bootstrap over patients) and the number of X-rays."
        " – : nothing to score.</p></html>"
    )
    with atomic(out) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _line(pathology: str, scores: pd.DataFrame, lower_is_better: bool) -> str:
    """Returns a row of the table, from the scores of the runs on a pathology."""
    values = scores["value"].drop(HUMAN, errors="ignore")
    best = values.min() if lower_is_better else values.max()
    cells = "".join(_cell(row, row["value"] == best) for _, row in scores.iterrows())
    kind = ' class="mean"' if pathology == "mean" else ""
    return f"<tr{kind}><th>{html.escape(pathology)}</th>{cells}</tr>"


def _cell(score: pd.Series, best: bool) -> str:
    """Returns a cell: value, interval and number of X-rays."""
    if score.isna()["value"]:
        return "<td>–</td>"
    kind = ' class="best"' if best else ""
    interval = f"{score['ci_low']:.3f} – {score['ci_high']:.3f}, n = {score['n_images']:.0f}"
    return f"<td{kind}>{score['value']:.3f}<small>{interval}</small></td>"


TABLE = Figure(
    draw,
    roles=("summary",),
    category="Scores",
    title="scores, as a table",
    description="The scores of summary.csv with the runs side by side; the best of each row is in "
    "bold. It may be a tie: comparisons.csv has the differences with their intervals.",
    suffix=".html",
)
