"""Reading CheXpert's tables of labels, checking them, and finding the X-rays that they name."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pandas as pd

from chexseg.data.layouts.chexpert import FINDINGS, column_of
from chexseg.data.layouts.release import Part
from chexseg.errors import Problems, nearest

RELEASES = ("CheXpert-v1.0", "CheXpert-v1.0-small", "CheXpert")
"""First folders that a `Path` may begin with; the X-rays lie beside the table, without it."""

SPLIT_FOLDERS = ("train", "valid", "val", "test")
"""Folders beside the tables that hold the X-rays of a split."""

LABELS = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "-1": -1.0, "-1.0": -1.0, "": float("nan")}
"""Every way in which a label may be written; a blank is NaN: the report does not mention it."""

VIEWS = ("lateral", "frontal")
"""What an X-ray may show; a file that is named after both counts as lateral."""

ALL_ABSENT = 3
"""A table of more X-rays than this, all of them absent, is one problem: a wrong folder."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PATIENT = re.compile(r"(?P<patient>patient\d+)/(?P<study>study\d+)/(?P<view>[^/]+)\.\w+$")


def read_part(path: Path, root: Path, findings: tuple[str, ...]) -> Part:
    """Reads a table of labels and finds the X-rays that it names.

    Args:
        path: the CSV; see `read_labels`.
        root: folder of the data, which no X-ray may leave.
        findings: the labels to read.
    """
    problems = Problems("tables")
    rows = read_labels(path, problems, findings)
    rows["path"] = find_images(rows[rows["view"] == "frontal"], path, root, problems)
    rows["source"] = [f"{path}:{row}:Path" for row in rows["row"]]
    return Part(path, rows, problems)


def read_labels(
    path: str | Path, problems: Problems, findings: tuple[str, ...] = FINDINGS
) -> pd.DataFrame:
    """Reads a table of labels in the layout of CheXpert-v1.0 or of CheXlocalize's release.

    Args:
        path: a CSV with the column `Path` and one column for each finding; others may follow.
        problems: receives what is wrong: absent columns, label values, paths, views, doubled
            X-rays, a last row that was cut off.
        findings: the labels to read, by the names that masks use: that of the column
            `Lung Opacity` is `Airspace Opacity`.

    Returns:
        One row per X-ray, frontal and lateral, in the order of the file: `row` (its row in the
        file, from 1, the header is row 1), `cxr_id`, `image` (path below the folder of the table,
        release prefix removed), `patient`, `study`, `view` ("frontal" or "lateral", from the
        file's name where `Frontal/Lateral` is blank or absent), and the findings as floats
        1, 0, -1 (uncertain) or NaN (blank). What a path that names no X-ray should have told is
        None. Empty if the table cannot be read.
    """
    columns = ["row", "cxr_id", "image", "patient", "study", "view", *findings]
    of_labels = tuple(column_of(finding) for finding in findings)
    rows, ids = [], set()
    for row, cells in _cells(path, of_labels, problems):
        image = _below_release(cells["Path"])
        named = None if _CONTROL.search(image) else _PATIENT.search(image)
        if named is None:
            problems.add(
                f"{path}:{row}:Path", repr(cells["Path"]),
                "…/patientNNNNN/studyN/viewN_frontal.jpg", "Correct the path.",
            )  # fmt: skip
        patient, study, name = named.groups() if named else (None, None, "")
        cxr_id = f"{patient}_{study}_{name}" if named else None
        if cxr_id in ids:
            where = f"{path}:{row}:Path"
            problems.add(where, f"{cxr_id} again", "each X-ray once", "Delete the row.")
        ids |= {cxr_id} - {None}
        view = _view(cells.get("Frontal/Lateral", ""), name, f"{path}:{row}", problems)
        labels = [cells[column].strip() for column in of_labels]
        for column, label in zip(of_labels, labels, strict=True):
            if label not in LABELS:
                problems.add(
                    f"{path}:{row}:{column}", repr(cells[column]),
                    "1, 0, -1 (uncertain) or blank", "Correct the label.",
                )  # fmt: skip
        values = [LABELS.get(label, math.nan) for label in labels]
        rows.append((row, cxr_id, image, patient, study, view, *values))
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(findings, float))


def _cells(
    path: str | Path, of_labels: tuple[str, ...], problems: Problems
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the number of each row of a table and its cells by column; none if columns are absent.

    Not through pandas, which takes cells that a row lacks for blank ones.
    """
    row = 1
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        file = io.StringIO(text)
        reader = csv.reader(file, strict=True)
        header = next(reader, [])
        if not _has_columns(header, of_labels, path, problems):
            return
        for cells in filter(None, reader):
            row = reader.line_num
            unended = file.tell() == len(text) and not text.endswith("\n")
            if unended and (len(cells) < len(header) or not cells[-1].strip()):
                problems.add(
                    f"{path}:{row}", "a last row without its end", "a whole file",
                    "Copy the file again; if it is whole, end it with a line break.",
                )  # fmt: skip
            elif len(cells) != len(header):
                problems.add(
                    f"{path}:{row}", f"{len(cells)} cells", f"{len(header)}, one for each column",
                    'Correct the row; a cell that holds a comma is quoted: "like, this".',
                )  # fmt: skip
            else:
                yield row, dict(zip(header, cells, strict=True))
    except FileNotFoundError:
        problems.add(path, "no such file", "a CSV of labels", "Correct the path in the config.")
    except PermissionError:
        remedy = "Ask the owner of the file for permission to read it."
        problems.add(path, "a file that you may not read", "a CSV of labels", remedy)
    except (OSError, ValueError, csv.Error) as error:
        found = f"an unreadable table ({str(error).strip()})"
        problems.add(f"{path}:{row}", found, "a CSV of labels", "Replace the file.")


def _has_columns(
    header: list[str], of_labels: tuple[str, ...], path: str | Path, problems: Problems
) -> bool:
    """Adds columns that are absent or doubled, and says whether all are there once."""
    needed, expected = ("Path", *of_labels), "Path and a column for each finding"
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
            near = nearest(column, tuple(header))
            found, remedy = f"no column {column!r}", f"Add it; the nearest column is {near!r}."
            if column != "Path":
                remedy = f"Add it, or correct data.findings; the nearest column is {near!r}."
        problems.add(f"{path}:1", found, expected, remedy)
    return not wrong


def _view(cell: str, name: str, where: str, problems: Problems) -> str:
    """Returns "frontal" or "lateral" from the column, or from the file's name if that is blank."""
    told = cell.strip().lower()
    named = next((view for view in VIEWS if view in name.lower()), None)
    if told not in (*VIEWS, ""):
        problems.add(
            f"{where}:Frontal/Lateral", repr(cell), "Frontal, Lateral or blank", "Correct the view."
        )
    elif told and named and told != named:
        problems.add(
            f"{where}:Frontal/Lateral", f"{cell.strip()!r} beside a file named {named}",
            "the view that the file's name tells", "Correct one of the two.",
        )  # fmt: skip
    return told if told in VIEWS else named or "frontal"


def _below_release(path: str) -> str:
    parts = PurePosixPath(path.strip()).parts
    return str(PurePosixPath(*parts[1:])) if parts and parts[0] in RELEASES else path.strip()


def cxr_id_of(path: str | Path) -> str:
    """Returns how an X-ray's file is called in tables of masks.

    `…/patient00001/study2/view1_frontal.jpg` is `patient00001_study2_view1_frontal`; any other
    file is its name without the suffix.
    """
    match = _PATIENT.search(Path(path).as_posix())
    return "_".join(match.group("patient", "study", "view")) if match else Path(path).stem


def find_images(table: pd.DataFrame, path: str | Path, root: Path, problems: Problems) -> pd.Series:
    """Finds the file of every X-ray of a table.

    The X-rays lie beside the table that names them. CheXpert calls its validation folder
    `valid/`, CheXlocalize calls it `val/`: whichever of the two is there is taken. The folder of
    the table and its split folders may be links, since data sets are often put together by links;
    no other link may lead out of `root`.

    Args:
        table: what `read_labels` returned for `path`.
        path: the table's file.
        root: the data folder, which no X-ray may leave.
        problems: receives X-rays that are absent, or outside `root`.

    Returns:
        Paths relative to `root`, links followed, in the order of `table`; absolute where one of
        those links leads out of `root`, None where the path is refused.
    """
    folder = Path(path).parent
    inside = _real(root)
    allowed = [inside, _real(folder), *(_real(folder / name) for name in SPLIT_FOLDERS)]
    found, absent = [], []
    for row, image, cxr_id in zip(table["row"], table["image"], table["cxr_id"], strict=True):
        if pd.isna(cxr_id):  # `read_labels` has told it already
            found.append(None)
            continue
        file = folder / image
        first, _, rest = image.partition("/")
        if first in ("valid", "val") and not os.path.isdir(folder / first):
            file = folder / {"valid": "val", "val": "valid"}[first] / rest
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
        problems.add(where, what, "the X-rays of the table", _remedy(folder, image))
        absent = []
    for where, missing, image in absent:
        problems.add(where, missing, "an X-ray", _remedy(folder, image))
    return pd.Series(found, index=table.index, dtype=object)


def _real(path: str | Path) -> Path:
    """Returns a path with all links followed; unlike Path.resolve, of loops and long names too."""
    return Path(os.path.realpath(path))


def _remedy(folder: Path, image: str) -> str:
    """Proposes the path prefix under which the X-ray does exist, if there is one."""
    parts = PurePosixPath(image).parts
    for skip in range(1, len(parts)):
        shorter = PurePosixPath(*parts[skip:])
        if os.path.isfile(folder / shorter):
            return f"The file is there without the prefix {'/'.join(parts[:skip])!r}: remove it."
    for longer in (*SPLIT_FOLDERS, *RELEASES):
        if os.path.isfile(folder / longer / image):
            return f"The file is there below {longer!r}: write {longer}/{image}."
    return "Fetch the X-ray, or delete the row."
