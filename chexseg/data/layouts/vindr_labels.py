"""Reads VinDr-CXR's tables of labels, and the sizes of X-rays that were resized."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from chexseg.data.layouts.rows import has_columns, rows_of
from chexseg.data.layouts.vindr import CHALLENGE
from chexseg.data.readings import ABNORMALITY
from chexseg.errors import Problems


def read_originals(paths: Sequence[Path], problems: Problems) -> dict[str, tuple[int, int]]:
    """Returns height and width of each original, from tables with image_id, dim0 and dim1."""
    sizes = {}
    for path in paths:

        def accepts(header: list[str], path: Path = path) -> bool:
            return has_columns(("image_id", "dim0", "dim1"), header, path, problems)

        for row, cells in rows_of(path, "a CSV of sizes", accepts, problems):
            sides = [cells[each].strip() for each in ("dim0", "dim1")]
            if all(side.isdecimal() and int(side) > 0 for side in sides):
                sizes[cells["image_id"].strip()] = int(sides[0]), int(sides[1])
            else:
                remedy = "Correct the size."
                problems.add(f"{path}:{row}:dim0", " x ".join(sides), "height and width", remedy)
    return sizes


def read_labels(
    paths: Sequence[Path], findings: Sequence[str], problems: Problems
) -> dict[tuple[str, str], float]:
    """Returns (image_id, finding) -> the readers' mean label, of findings that have no boxes."""
    votes: dict[tuple[str, str], list[int]] = {}
    wanted = [name for name in findings if name not in (*CHALLENGE, ABNORMALITY)]
    for name in wanted if not paths else ():
        remedy = "Name the table of labels, or delete the finding."
        problems.add("data.findings", repr(name), "a finding that has boxes", remedy)
    for path in paths if wanted else ():

        def accepts(header: list[str], path: Path = path) -> bool:
            return has_columns(("image_id", *wanted), header, path, problems)

        for row, cells in rows_of(path, "a CSV of labels", accepts, problems):
            for name in wanted:
                if cells[name].strip() in ("0", "1"):
                    key = cells["image_id"].strip(), name
                    votes.setdefault(key, []).append(int(cells[name]))
                else:
                    where = f"{path}:{row}:{name}"
                    problems.add(where, repr(cells[name]), "1 or 0", "Correct the label.")
    return {key: sum(each) / len(each) for key, each in votes.items()}


def label_of_votes(share: float | None) -> float:
    """Returns a label: 1 if most readers gave it, 0 if none did, -1 between, NaN for no reader."""
    if share is None:
        return math.nan
    return 1.0 if share > 0.5 else 0.0 if share == 0 else -1.0
