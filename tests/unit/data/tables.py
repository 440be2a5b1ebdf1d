"""Tables of labels, written for a test and read as the package reads them."""

from chexseg.data.layouts.chexpert import LABEL_COLUMNS
from chexseg.data.layouts.chexpert_tables import read_labels
from chexseg.errors import Problems

HEADER = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABEL_COLUMNS)
PATIENT = "patient00001/study1/view1_frontal.jpg"


def write(path, rows, header=HEADER):
    """Writes a table; a row is a dict over blanks, columns that are not there are left out."""
    lines = [",".join(header)]
    for row in rows:
        lines.append(",".join(str(row.get(column, "")) for column in header))
    path.write_text("\n".join(lines) + "\n")
    return path


def read(path):
    problems = Problems()
    table = read_labels(path, problems)
    return table, problems.found


def read_well(path):
    table, found = read(path)
    assert found == []
    return table
