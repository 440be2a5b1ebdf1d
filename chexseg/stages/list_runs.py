"""Lists the runs of the study, each with the values of its factors."""

from __future__ import annotations

import csv

from chexseg.errors import InputError, Problem
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic


def run(*, columns: tuple[str, ...], rows: tuple[str, ...], out: Output) -> None:
    """Write the table by which scores are grouped: one row for each run of each sweep.

    Args:
        columns: Names of the columns.
        rows: Rows of the table, each a line of a CSV.
        out: The table (CSV).

    Raises:
        InputError: a row has not as many cells as there are columns.
    """
    problems = [
        Problem(
            f"row {number}", f"{len(cells)} cells", f"{len(columns)}, as columns", "Correct it."
        )
        for number, cells in enumerate(csv.reader(rows), 1)
        if len(cells) != len(columns)
    ]
    if problems:
        raise InputError(problems)
    with atomic(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(columns)
        file.writelines(f"{row}\n" for row in rows)
    print(f"{len(rows)} rows.")
