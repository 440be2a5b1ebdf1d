"""Tables that figures read: ids and names that look like numbers stay text."""

import pandas as pd

from chexseg.config.settings import FigureSettings
from chexseg.report import bars, table
from chexseg.report.figure import Inputs
from chexseg.report.pictures import read_table
from chexseg.report.tables import NOTHING, Cell, Panel, Row, Table, score_cell

AVERAGES = """\
run,pathology,metric,value,ci_low,ci_high,n_images
20,Edema,iou_dataset,0.2,0.1,0.3,5
20,mean,iou_dataset,0.2,0.1,0.3,5
null,Edema,iou_dataset,,,,0
null,mean,iou_dataset,0.25,0.2,0.3,5
"""


def test_ids_and_names_stay_text(tmp_path):
    path = tmp_path / "overlaps.csv"
    path.write_text("cxr_id,patient,pathology,union\n00000001,0001,Edema,3\n")
    assert read_table(path).iloc[0].to_dict() == {
        "cxr_id": "00000001", "patient": "0001", "pathology": "Edema", "union": 3,
    }  # fmt: skip


def test_runs_that_are_called_like_numbers_are_drawn(tmp_path):
    averages = tmp_path / "averages.csv"
    averages.write_text(AVERAGES)
    inputs = Inputs(averages=averages)
    bars.draw(inputs, FigureSettings())
    page = table.draw(inputs, FigureSettings()).as_html()
    assert "<th>20</th>" in page
    assert "<th>null</th>" in page


TABLE = Table(
    "Scores <1>",
    [
        Panel(
            "by 100 %", ["a_b", "R&D"],
            [
                Row("{x}_1", [Cell("0.1", "0.0 – 0.2"), Cell("0.2", best=True)]),
                Row("mean", [NOTHING, Cell(r"\ ~^#$<>|")], "mean"),
                Row("paper", [Cell("0.3"), NOTHING], "published"),
            ],
        )
    ],
    pd.DataFrame({"run": ["{x}_1"], "value": [0.1]}),
    ["50 % & more"],
)  # fmt: skip


def test_a_table_for_latex_has_no_character_that_means_something():
    assert (
        TABLE.as_latex()
        == r"""% \usepackage{booktabs}
% by 100 %
\begin{tabular}{lrr}
\toprule
 & a\_b & R\&D \\
\midrule
\{x\}\_1 & 0.1 {\scriptsize (0.0 -- 0.2)} & \textbf{0.2} \\
\midrule
mean & -- & \textbackslash{} \textasciitilde{}\textasciicircum{}\#\$\textless{}\textgreater{}\textbar{} \\
\emph{paper} & 0.3 & -- \\
\bottomrule
\end{tabular}

% 50 % & more
"""
    )


def test_a_table_as_a_page_and_as_numbers():
    page = TABLE.as_html()
    assert "<title>Scores &lt;1&gt;</title>" in page
    assert "<th>R&amp;D</th>" in page
    assert "<td>0.1<small>0.0 – 0.2</small></td>" in page
    assert '<td class="best">0.2</td>' in page
    assert '<tr class="published"><th>paper</th>' in page
    assert "<p>50 % &amp; more</p>" in page
    assert TABLE.as_csv() == "run,value\n{x}_1,0.1\n"


def test_the_score_of_a_single_x_ray_says_so():
    score = pd.Series({"value": 0.0, "ci_low": 0.0, "ci_high": 0.0, "n_images": 1})
    assert score_cell(score) == Cell("0.000", "n = 1")
    assert score_cell(score, counted=True) == Cell("0.000", "n = 1")
    of_two = score_cell(pd.Series({**score, "n_images": 2}), counted=True)
    assert of_two == Cell("0.000", "0.000 – 0.000, n = 2")
