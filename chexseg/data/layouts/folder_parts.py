"""Reads the parts of a release in the layout `folder`: folders of X-rays, or tables of them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from chexseg.data.layouts.release import COLUMNS, Part
from chexseg.data.layouts.rows import LABELS, has_columns, rows_of
from chexseg.data.mask_folders import id_of
from chexseg.data.splits import choose_patients
from chexseg.data.x_ray_files import x_rays_below
from chexseg.errors import Problems

TEST_SHARE = 0.2
"""Share of the X-rays with masks that are for test, if none are named."""

_ID = re.compile(r"[^/\x00-\x1f\x7f]+")


def read_part(place: Path, root: Path, findings: tuple[str, ...]) -> Part:
    """Reads the X-rays of a part of a release.

    Args:
        place: a folder, whose X-rays are listed: an id is the path below it without the suffix, `_` for
            `/`, and a patient is the first folder below it, or one X-ray; or a CSV, see `Folder`. There,
            the id is the file's name without the suffix, and each X-ray a patient, if no column says.
        root: data folder.
        findings: the labels to read; a folder has none.
    """
    problems = Problems("tables")
    cells = _listed(place, root) if place.is_dir() else _rows(place, findings, problems)
    rows, ids = [], set()
    for where, row in cells:
        path, cxr_id, patient = row["path"], row["cxr_id"], row["patient"]
        if cxr_id in ids:
            problems.add(
                where, f"{cxr_id} again", "each X-ray once", "Delete or rename one of the two."
            )
            continue
        ids.add(cxr_id)
        rows.append((cxr_id, _inside(path, root, place, where, problems), patient, "1", "frontal", where,
                     *(_label(row.get(name, ""), where, name, problems) for name in findings)))  # fmt: skip
    if place.is_dir() and findings:
        remedy = "Write a table of these X-rays, or delete data.findings."
        problems.add(place, "a folder, which has no labels", f"labels of {findings[0]!r}", remedy)
    table = pd.DataFrame(rows, columns=[*COLUMNS, *findings])
    return Part(place, table.astype(dict.fromkeys(findings, float)), problems)


def with_test(parts: Mapping[str, Part]) -> dict[str, Part]:
    """Returns the parts with some validation patients as test: the first in the order of a hash."""
    validation = parts["validation"]
    test = choose_patients(validation.rows["patient"], TEST_SHARE, seed=0)
    divided = {"validation": validation.rows[~test], "test": validation.rows[test]}
    return {
        **parts,
        **{
            name: Part(validation.path, rows.reset_index(drop=True), validation.problems)
            for name, rows in divided.items()
        },
    }


def _listed(place: Path, root: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the X-rays of a folder in the order of their paths: where, and cells as of a table."""
    for file in x_rays_below(place):
        below = file.relative_to(place)
        cxr_id = id_of(below.as_posix())
        patient = below.parts[0] if len(below.parts) > 1 else cxr_id
        path = Path(os.path.relpath(file, root)).as_posix()
        yield str(file), {"path": path, "cxr_id": cxr_id, "patient": patient}


def _rows(
    place: Path, findings: tuple[str, ...], problems: Problems
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the rows of a table: where, and its cells by column, with an id and a patient."""

    def accepts(header: list[str]) -> bool:
        return has_columns(("path", *findings), header, place, problems)

    for number, cells in rows_of(place, "a folder of X-rays, or a CSV of them", accepts, problems):
        where = f"{place}:{number}:path"
        row = {column: cell.strip() for column, cell in cells.items()}
        row["cxr_id"] = row.get("cxr_id") or Path(row["path"]).stem
        row["patient"] = row.get("patient") or row["cxr_id"]
        if not _ID.fullmatch(row["cxr_id"]):
            found = f"the id {row['cxr_id']!r}"
            problems.add(where, found, "an id without '/'", "Correct the path, or the id.")
            continue
        yield where, row


def _inside(path: str, root: Path, place: Path, where: str, problems: Problems) -> str | None:
    """Returns the path of an X-ray, or None if it does not exist or is outside the data.

    The root and the folder of X-rays may be links, no other link may lead out of them. The path is
    relative to the root with links resolved, or absolute if the folder lies elsewhere.
    """
    real, inside = Path(os.path.realpath(root / path)), Path(os.path.realpath(root))
    folder = Path(os.path.realpath(place)) if place.is_dir() else inside
    if not (real.is_relative_to(inside) or real.is_relative_to(folder)):
        problems.add(where, repr(path), f"an X-ray inside {root}", "Correct the path.")
        return None
    if not real.is_file():
        remedy = "Correct the path, or delete the row."
        problems.add(where, f"no file {root / path}", "an X-ray", remedy)
        return None
    return real.relative_to(inside).as_posix() if real.is_relative_to(inside) else str(real)


def _label(cell: str, where: str, name: str, problems: Problems) -> float:
    """Returns a label, NaN for a blank or after adding what is wrong."""
    if cell not in LABELS:
        place = f"{where.removesuffix(':path')}:{name}"
        expected = "1, 0, -1 (uncertain) or blank"
        problems.add(place, repr(cell), expected, "Correct the label.")
    return LABELS.get(cell, math.nan)
