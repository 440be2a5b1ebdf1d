"""Tables that figures read: ids and names that look like numbers stay text."""

from chexseg.config.settings import FigureSettings
from chexseg.report import bars, table
from chexseg.report.figure import Inputs
from chexseg.report.pictures import read_table

SUMMARY = """\
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
    summary = tmp_path / "summary.csv"
    summary.write_text(SUMMARY)
    inputs = Inputs(summary=summary)
    bars.draw(inputs, FigureSettings(), tmp_path / "bars.png")
    table.draw(inputs, FigureSettings(), tmp_path / "table.html")
    page = (tmp_path / "table.html").read_text()
    assert "<th>20</th>" in page
    assert "<th>null</th>" in page
