"""Reads and checks CheXpert's label tables, and finds the X-rays that they list."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from chexseg.data.layouts.chexpert import FINDINGS, column_of
from chexseg.data.layouts.places import (
    EXPECTED_PATH,
    OF_ANOTHER,
    RELEASES,
    SPLIT_FOLDERS,
    batches_of,
    data_set_of,
    in_batches,
    place_of,
)
from chexseg.data.layouts.release import Part
from chexseg.data.layouts.rows import LABELS, rows_of
from chexseg.errors import Problems, near

VIEWS = ("lateral", "frontal")
"""The views. A file whose name contains both counts as lateral."""

ALL_ABSENT = 3
"""If more X-rays than this are listed and all are absent, report one problem: a wrong folder."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PATIENT = re.compile(r"(?P<patient>patient\d+)/(?P<study>study\d+)/(?P<view>[^/]+)\.\w+$")


def read_part(path: Path, root: Path, findings: tuple[str, ...]) -> Part:
    """Reads a label table and finds the X-rays that it lists.

    Args:
        path: the CSV; see `read_labels`.
        root: data folder; every X-ray must be inside it.
        findings: the labels to read.
    """
    problems = Problems("tables")
    rows = read_labels(path, problems, findings)
    rows["path"] = find_images(rows[rows["view"] == "frontal"], path, root, problems)
    rows["source"] = [f"{path}:{row}:Path" for row in rows["row"]]
    assumed = rows["source"][rows["assumed"] & rows["cxr_id"].notna()]
    return Part(path, rows, problems, tuple(assumed))


def read_labels(
    path: str | Path, problems: Problems, findings: tuple[str, ...] = FINDINGS
) -> pd.DataFrame:
    """Reads a label table of CheXpert-v1.0 or of CheXlocalize's release.

    Args:
        path: a CSV with the column `Path` and one column per finding; it may have other columns.
        problems: collects missing columns, invalid labels, paths and views, duplicate X-rays and
            a truncated last row.
        findings: the labels to read, under the names that masks use (`Airspace Opacity` for the
            column `Lung Opacity`).

    Returns:
        One row per X-ray, frontal and lateral, in file order: `row` (number in the file; the
        header is row 1), `cxr_id`, `image` (path below the folder of the table, without the
        release prefix), `patient`, `study`, `view` ("frontal" or "lateral", from the file name if
        `Frontal/Lateral` is blank or absent), `assumed` (neither says the view, so it counts as
        frontal), and the findings as floats 1, 0, -1 (uncertain) or
        NaN (blank). `cxr_id`, `patient` and `study` are None if the path does not name an X-ray.
        Empty if the table cannot be read.
    """
    columns = ["row", "cxr_id", "image", "patient", "study", "view", "assumed", *findings]
    label_columns = tuple(column_of(finding) for finding in findings)
    rows, ids, unknown = [], set(), []

    def accepts(header: list[str]) -> bool:
        return _has_columns(header, label_columns, path, problems)

    for row, cells in rows_of(path, "a CSV of labels", accepts, problems):
        image = _below_release(cells["Path"])
        match = None if _CONTROL.search(image) else _PATIENT.search(image)
        if match is None:
            unknown.append((f"{path}:{row}:Path", repr(cells["Path"])))
        patient, study, name = match.groups() if match else (None, None, "")
        cxr_id = f"{patient}_{study}_{name}" if match else None
        if cxr_id in ids:
            where = f"{path}:{row}:Path"
            problems.add(where, f"{cxr_id} again", "each X-ray once", "Delete the row.")
        ids |= {cxr_id} - {None}
        view = _view(cells.get("Frontal/Lateral", ""), name, f"{path}:{row}", problems)
        labels = [cells[column].strip() for column in label_columns]
        for column, label in zip(label_columns, labels, strict=True):
            if label not in LABELS:
                problems.add(
                    f"{path}:{row}:{column}", repr(cells[column]),
                    "1, 0, -1 (uncertain) or blank", "Correct the label.",
                )  # fmt: skip
        values = [LABELS.get(label, math.nan) for label in labels]
        rows.append((row, cxr_id, image, patient, study, view or "frontal", view is None, *values))
    if len(unknown) == len(rows) > ALL_ABSENT:
        where, first = unknown[0]
        found = f"{len(unknown)} paths, none of which is one of CheXpert; for one, {first}"
        problems.add(where, found, EXPECTED_PATH, OF_ANOTHER)
    else:
        for where, written in unknown:
            problems.add(where, written, EXPECTED_PATH, "Correct the path.")
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({**dict.fromkeys(findings, float), "assumed": bool})


def _has_columns(
    header: list[str], of_labels: tuple[str, ...], path: str | Path, problems: Problems
) -> bool:
    """Returns whether the header has each column exactly once; adds a problem for each fault."""
    needed, expected = ("Path", *of_labels), "Path and a column for each finding"
    if "Path" not in header and (data_set := data_set_of(header)):
        problems.add(
            f"{path}:1", f"a table of {data_set}", f"one of CheXpert: {expected}", OF_ANOTHER
        )
        return False
    if not set(needed) & set(header):
        first, expected = ",".join(header), f"{expected}, separated by commas"
        sign = next((sign for sign in ";\t|" if first.count(sign) >= len(of_labels)), None)
        found, remedy = f"a first row {first[:60]!r}", "Name the columns in the first row."
        if not first.strip():
            found, remedy = "an empty table", "Give the whole file."
        elif sign:
            found, remedy = f"columns separated by {sign!r}", "Save the table with commas."
        problems.add(f"{path}:1", found, expected, remedy)
        return False
    wrong = [column for column in needed if header.count(column) != 1]
    wrong += ["Frontal/Lateral"] * (header.count("Frontal/Lateral") > 1)
    for column in wrong:
        if column in header:
            found, remedy = f"column {column!r} twice", "Delete one of the two."
        else:
            found = f"no column {column!r}"
            remedy = "Add it" if column == "Path" else "Add it, or correct data.findings"
            meant = near(column, tuple(header))
            remedy += f"; the nearest column is {meant!r}." if meant else "."
        problems.add(f"{path}:1", found, expected, remedy)
    return not wrong


def _view(cell: str, name: str, where: str, problems: Problems) -> str | None:
    """Returns the view from the column, or from the file name if that is blank; None: neither."""
    in_cell = cell.strip().lower()
    in_name = next((view for view in VIEWS if view in name.lower()), None)
    if in_cell not in (*VIEWS, ""):
        problems.add(
            f"{where}:Frontal/Lateral", repr(cell), "Frontal, Lateral or blank", "Correct the view."
        )
    elif in_cell and in_name and in_cell != in_name:
        problems.add(
            f"{where}:Frontal/Lateral", f"{cell.strip()!r} for a file named {in_name}",
            "the view in the file name", "Correct one of the two.",
        )  # fmt: skip
    return in_cell if in_cell in VIEWS else in_name


def _below_release(path: str) -> str:
    parts = PurePosixPath(path.strip()).parts
    return str(PurePosixPath(*parts[1:])) if parts and parts[0] in RELEASES else path.strip()


def cxr_id_of(path: str | Path) -> str:
    """Returns the id of an X-ray file, as used in mask files.

    `…/patient00001/study2/view1_frontal.jpg` becomes `patient00001_study2_view1_frontal`. The id of
    any other file is its name without the suffix.
    """
    match = _PATIENT.search(Path(path).as_posix())
    return "_".join(match.group("patient", "study", "view")) if match else Path(path).stem


def find_images(table: pd.DataFrame, path: str | Path, root: Path, problems: Problems) -> pd.Series:
    """Finds the file of every X-ray of a table.

    The X-rays are next to the table that lists them. CheXpert calls its validation folder
    `valid/`, CheXlocalize calls it `val/`; whichever exists is used. The folder of the table and
    its split folders may be links, since data sets are often assembled from links. No other link
    may lead out of `root`.

    Args:
        table: the result of `read_labels` for `path`.
        path: file of the table.
        root: data folder; every X-ray must be inside it.
        problems: collects X-rays that are missing or outside `root`.

    Returns:
        Paths relative to `root` with links resolved, in the order of `table`. A path is absolute if
        an allowed link leads out of `root`, and None if it is rejected.
    """
    folder = Path(path).parent
    inside, batches = _real(root), batches_of(folder)
    allowed = [
        *map(_real, batches),
        inside,
        _real(folder),
        *(_real(folder / name) for name in SPLIT_FOLDERS),
    ]
    found, absent = [], []
    for row, image, cxr_id in zip(table["row"], table["image"], table["cxr_id"], strict=True):
        if pd.isna(cxr_id):  # `read_labels` has already reported it
            found.append(None)
            continue
        file = folder / image
        first, _, rest = image.partition("/")
        if first in ("valid", "val") and not os.path.isdir(folder / first):
            file = folder / {"valid": "val", "val": "valid"}[first] / rest
        if batches and not os.path.isfile(file):
            file = in_batches(batches, image) or file
        real = _real(file)
        if not any(real.is_relative_to(place) for place in allowed):
            found.append(None)
            problems.add(
                f"{path}:{row}:Path", repr(image), f"an X-ray inside {root}", "Correct the path."
            )
            continue
        in_root = real.is_relative_to(inside)
        found.append(real.relative_to(inside).as_posix() if in_root else str(real))
        if not os.path.isfile(real):
            absent.append((f"{path}:{row}:Path", f"no file {file}", image))
    if len(absent) == len(table) > ALL_ABSENT:
        where, missing, image = absent[0]
        what = f"none of the {len(absent)} X-rays; for one, {missing}"
        remedy = place_of(folder, image, root) or (
            "Fetch the X-rays, or correct data.root: see config/README.md, 'The data'."
        )
        problems.add(where, what, "the X-rays of the table", remedy)
        absent = []
    for number, (where, missing, image) in enumerate(absent):
        # Looking for each of many X-rays below the root would take long.
        remedy = place_of(folder, image, root if number < ALL_ABSENT else None)
        problems.add(where, missing, "an X-ray", remedy or "Fetch the X-ray, or delete the row.")
    return pd.Series(found, index=table.index, dtype=object)


def _real(path: str | Path) -> Path:
    """Returns a path with all links resolved; unlike Path.resolve, accepts loops and long names."""
    return Path(os.path.realpath(path))
