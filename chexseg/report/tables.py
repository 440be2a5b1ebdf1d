"""Tables of the report, written as HTML, CSV and LaTeX."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chexseg.files.atomic import atomic

if TYPE_CHECKING:
    import pandas as pd

# The report shows a table on its first page, too: no rule is about anything but the table.
STYLE = """\
.scores{font:15px/1.4 system-ui,sans-serif;margin:2em;color:#222}
.scores table{border-collapse:collapse;margin-bottom:1em}
.scores td,.scores th{padding:.35em .8em;text-align:right;font-weight:400}
.scores th:first-child{text-align:left}
.scores tr+tr{border-top:1px solid #ddd}
.scores small{color:#777;display:block;white-space:nowrap}
.scores .mean{border-top:2px solid #444}
.scores .best{font-weight:700}
.scores .published{color:#777;font-style:italic}
"""
ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "–": "--", "ρ": r"$\rho$",
}  # fmt: skip
"""Characters that mean something else to LaTeX."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it says.
        note: in small print: an interval, for example.
        best: whether it is in bold.
    """

    text: str
    note: str = ""
    best: bool = False


NOTHING = Cell("–")


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: what stands in its first column.
        cells: the other columns.
        kind: `mean` for a row below a line, `published` for one in grey, or empty.
    """

    name: str
    cells: Sequence[Cell]
    kind: str = ""


@dataclass(frozen=True)
class Panel:
    """A part of a table with columns of its own.

    Attributes:
        title: above it.
        columns: names of the columns behind the first.
        rows: its rows, each with a cell for each of these columns.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Attributes:
        title: of the page.
        panels: its parts.
        data: the same as numbers, for CSV.
        notes: sentences below the table.
    """

    title: str
    panels: Sequence[Panel]
    data: pd.DataFrame
    notes: Sequence[str] = field(default_factory=tuple)

    def as_html(self) -> str:
        """Returns the table as a page."""
        parts = []
        for panel in self.panels:
            head = "".join(f"<th>{html.escape(name)}</th>" for name in ("", *panel.columns))
            lines = "".join(map(_html_row, panel.rows))
            heading = f"<h2>{html.escape(panel.title)}</h2>" if panel.title else ""
            parts.append(f"{heading}<table><tr>{head}</tr>{lines}</table>")
        parts += [f"<p>{html.escape(note)}</p>" for note in self.notes]
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            f"<title>{html.escape(self.title)}</title><style>{STYLE}</style>"
            f'<div class="scores">{"".join(parts)}</div></html>\n'
        )

    def as_csv(self) -> str:
        """Returns the numbers of the table as CSV."""
        return self.data.to_csv(index=False, lineterminator="\n")

    def as_latex(self) -> str:
        r"""Returns a `tabular` for each panel, for a document with `\usepackage{booktabs}`."""
        lines = ["% \\usepackage{booktabs}"]
        for panel in self.panels:
            head = ["", *map(escaped, panel.columns)]
            lines += [f"% {' '.join(panel.title.split())}"] if panel.title else []
            lines += [rf"\begin{{tabular}}{{l{'r' * len(panel.columns)}}}", r"\toprule"]
            lines += [f"{' & '.join(head)} \\\\", r"\midrule"]
            for row in panel.rows:
                lines += [r"\midrule"] if row.kind == "mean" else []
                name = escaped(row.name)
                name = rf"\emph{{{name}}}" if row.kind == "published" else name
                lines.append(f"{' & '.join([name, *map(_latex_cell, row.cells)])} \\\\")
            lines += [r"\bottomrule", r"\end{tabular}", ""]
        return "\n".join(lines + [f"% {' '.join(note.split())}" for note in self.notes]) + "\n"


FORMATS = {".html": Table.as_html, ".csv": Table.as_csv, ".tex": Table.as_latex}


def save(table: Table, path: Path) -> None:
    """Writes a table in the format of its path's suffix."""
    with atomic(path) as temporary:
        temporary.write_text(FORMATS[path.suffix](table), encoding="utf-8")


def escaped(text: str) -> str:
    """Returns text for LaTeX, in which no character means anything but itself."""
    return "".join(ESCAPES.get(character, character) for character in text)


def score_cell(score: pd.Series, best: bool = False, counted: bool = False) -> Cell:
    """Returns value and interval of a score; with `counted`, also its number of X-rays.

    The interval of a single X-ray has no width, so its place says that there is one.
    """
    if score.isna()["value"]:
        return NOTHING
    interval = f"{score['ci_low']:.3f} – {score['ci_high']:.3f}"
    if score.get("n_images") == 1:
        return Cell(f"{score['value']:.3f}", "n = 1", best)
    number = f", n = {score['n_images']:.0f}" if counted else ""
    return Cell(f"{score['value']:.3f}", interval + number, best)


def _html_row(row: Row) -> str:
    cells = "".join(map(_html_cell, row.cells))
    kind = f' class="{row.kind}"' if row.kind else ""
    return f"<tr{kind}><th>{html.escape(row.name)}</th>{cells}</tr>"


def _html_cell(cell: Cell) -> str:
    kind = ' class="best"' if cell.best else ""
    note = f"<small>{html.escape(cell.note)}</small>" if cell.note else ""
    return f"<td{kind}>{html.escape(cell.text)}{note}</td>"


def _latex_cell(cell: Cell) -> str:
    text = rf"\textbf{{{escaped(cell.text)}}}" if cell.best else escaped(cell.text)
    return text + (rf" {{\scriptsize ({escaped(cell.note)})}}" if cell.note else "")
