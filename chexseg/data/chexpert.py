"""CheXpert's tables of labels: reading, checking, finding the X-rays they name."""

from __future__ import annotations

import re
import warnings
from pathlib import Path, PurePosixPath

import pandas as pd

from chexseg.data.pathologies import OBSERVATIONS, nearest
from chexseg.errors import Problems

RELEASES = ("CheXpert-v1.0", "CheXpert-v1.0-small", "CheXpert")
"""First folders that a `Path` may begin with; the X-rays lie beside the table, without it."""

SPLIT_FOLDERS = ("train", "valid", "val", "test")
"""Folders beside the tables that hold the X-rays of a split."""

LABELS = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "-1": -1.0, "-1.0": -1.0, "": float("nan")}
"""Every way in which a label may be written; a blank is NaN: the report does not mention it."""

_PATIENT = re.compile(r"(?P<patient>patient\d+)/(?P<study>study\d+)/(?P<view>[^/]+)\.\w+$")


def read_labels(path: str | Path, problems: Problems) -> pd.DataFrame:
    """Reads a table of labels in the layout of CheXpert-v1.0 or of CheXlocalize's release.

    Args:
        path: a CSV with the column `Path` and the 14 columns OBSERVATIONS; others may follow.
        problems: receives what is wrong: absent columns, label values, paths, doubled X-rays.

    Returns:
        One row per X-ray, frontal and lateral, in the order of the file: `row` (its row in the
        file, from 1, the header is row 1), `cxr_id`, `image` (path below the folder of the table,
        release prefix removed), `patient`, `study`, `view` ("frontal" or "lateral", from the
        file's name where there is no column `Frontal/Lateral`), and the OBSERVATIONS as floats
        1, 0, -1 (uncertain) or NaN (blank). Empty if the table cannot be read.
    """
    empty = pd.DataFrame(columns=["row", "cxr_id", "image", "patient", "study", "view"])
    try:
        with warnings.catch_warnings():
            # A value too many in a row must neither shift the columns nor be dropped.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False
            )
    except FileNotFoundError:
        problems.add(path, "no such file", "a CSV of labels", "Correct the path in the config.")
        return empty
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        found = f"an unreadable table ({str(error).strip()})"
        problems.add(path, found, "a CSV of labels", "Replace the file.")
        return empty
    missing = [column for column in ("Path", *OBSERVATIONS) if column not in table.columns]
    for column in missing:
        near = nearest(column, tuple(map(str, table.columns)) or ("",))
        problems.add(
            f"{path}:1", f"no column {column!r}", "Path and the 14 observations",
            f"Add it; the nearest column there is {near!r}.",
        )  # fmt: skip
    if missing:
        return empty

    rows = pd.DataFrame({"row": range(2, len(table) + 2)})
    rows["image"] = pd.Series([_below_release(value) for value in table["Path"]], dtype=str)
    parts = rows["image"].str.extract(_PATIENT)
    for row in rows["row"][parts["patient"].isna()]:
        problems.add(
            f"{path}:{row}:Path", repr(table["Path"][row - 2]),
            "…/patientNNNNN/studyN/viewN_frontal.jpg", "Correct the path.",
        )  # fmt: skip
    view = parts["view"].fillna("")
    rows["cxr_id"] = parts["patient"] + "_" + parts["study"] + "_" + view
    rows["patient"], rows["study"] = parts["patient"], parts["study"]
    named = table["Frontal/Lateral"].str.lower() if "Frontal/Lateral" in table else view
    rows["view"] = named.where(~named.str.contains("lateral"), "lateral")
    rows["view"] = rows["view"].where(rows["view"] == "lateral", "frontal")

    labels = {}
    for observation in OBSERVATIONS:
        values = table[observation].str.strip()
        labels[observation] = values.map(LABELS).astype(float)
        for row in rows["row"][~values.isin(LABELS.keys())]:
            problems.add(
                f"{path}:{row}:{observation}", repr(values[row - 2]),
                "1, 0, -1 (uncertain) or blank", "Correct the label.",
            )  # fmt: skip
    rows = pd.concat([rows, pd.DataFrame(labels)], axis=1)
    for row in rows["row"][rows["cxr_id"].duplicated() & rows["cxr_id"].notna()]:
        cxr_id = rows["cxr_id"][row - 2]
        problems.add(f"{path}:{row}:Path", f"{cxr_id} again", "each X-ray once", "Delete the row.")
    return rows[["row", "cxr_id", "image", "patient", "study", "view", *OBSERVATIONS]]


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
        Paths relative to `root`, links followed, in the order of `table`; absolute where a link
        leads out of `root`.
    """
    folder = Path(path).parent
    inside = root.resolve()
    allowed = [inside, folder.resolve(), *((folder / name).resolve() for name in SPLIT_FOLDERS)]
    found = []
    for row, image, cxr_id in zip(table["row"], table["image"], table["cxr_id"], strict=True):
        if pd.isna(cxr_id):  # `read_labels` has told it already
            found.append(image)
            continue
        file = folder / image
        first, _, rest = image.partition("/")
        if first in ("valid", "val") and not (folder / first).is_dir():
            file = folder / {"valid": "val", "val": "valid"}[first] / rest
        real = file.resolve()
        if not any(real.is_relative_to(place) for place in allowed):
            found.append(str(real))
            problems.add(
                f"{path}:{row}:Path", repr(image), f"an X-ray inside {root}", "Correct the path."
            )
            continue
        in_root = real.is_relative_to(inside)
        found.append(real.relative_to(inside).as_posix() if in_root else str(real))
        if not real.is_file():
            problems.add(
                f"{path}:{row}:Path", f"no file {file}", "an X-ray", _remedy(folder, image)
            )
    return pd.Series(found, index=table.index, dtype=object)


def _remedy(folder: Path, image: str) -> str:
    """Proposes the path prefix under which the X-ray does exist, if there is one."""
    parts = PurePosixPath(image).parts
    for skip in range(1, len(parts)):
        shorter = PurePosixPath(*parts[skip:])
        if (folder / shorter).is_file():
            return f"The file is there without the prefix {'/'.join(parts[:skip])!r}: remove it."
    return "Fetch the X-ray, or delete the row."
