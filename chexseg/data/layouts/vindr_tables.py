"""Reads and checks VinDr-CXR's tables of boxes, and finds the X-rays that they list."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from chexseg.data.boxes import Box, find_fault
from chexseg.data.images import image_size, image_stretch
from chexseg.data.layouts.release import Part, Release, assemble
from chexseg.data.layouts.rows import has_columns, rows_of
from chexseg.data.layouts.vindr import CHALLENGE, NOTHING, OTHER, RARE
from chexseg.data.layouts.vindr_labels import (
    label_of_votes,
    read_labels,
    read_originals,
)
from chexseg.data.readings import ABNORMALITY, Reading, Readings
from chexseg.data.x_ray_files import SUFFIXES
from chexseg.errors import InputError, Problems, near

FOLDERS = ("train", "test")
CORNERS = ("x_min", "y_min", "x_max", "y_max")
KNOWN = (*CHALLENGE, *RARE, NOTHING)
CONSENSUS = "consensus"
"""The reader of a table that names none: several have agreed on its boxes."""

BLANK = ("", "nan", "NaN")
ALL_ABSENT = 3
"""If more X-rays than this are listed and all are absent, report one problem: a wrong folder."""

_ID = re.compile(r"\w[\w.-]{0,99}")


@dataclass
class _Table:
    """What a table of boxes says: image_id -> its first row; (row, box); image_id -> readers."""

    path: Path
    first: dict[str, int]
    boxes: list[tuple[int, Box]]
    readers: dict[str, dict[str, None]]
    problems: Problems


def read_vindr(
    root: Path,
    files: Mapping[str, Sequence[Path]],
    *,
    findings: tuple[str, ...],
    pathologies: tuple[str, ...],
) -> Release:
    """Reads a release; see `chexseg.data.layouts.layout.Layout.read`."""
    there, in_x_rays = _files_of(root), Problems("X-rays")
    originals = read_originals(files.get("sizes", ()), in_x_rays)
    parts, readings, sizes = {}, {}, {}
    for name in ("train", "test"):
        for path in files.get(f"{name}_boxes", ()):
            table = _read_boxes(path)
            _check_readers(table)
            paths = {i: _image_of(i, table, there) for i in table.first}
            _check_present(table, paths, root)
            sizes |= _sizes_of(paths, root, in_x_rays)
            boxes = _placed(table, paths, sizes, originals, root)
            mine = _readings(table, boxes)
            labels = read_labels(files.get(f"{name}_labels", ()), findings, table.problems)
            parts[name] = Part(path, _rows(table, paths, mine, labels, findings), table.problems)
            readings |= mine
    masks = {"test": files.get("test_masks", ())} if "test" in parts else {}
    release = assemble(root, parts, masks, findings=findings, pathologies=pathologies, sizes=sizes)
    divided = ("validation",) if "test" in parts else ("test", "validation")
    problems = [*dict.fromkeys([*release.problems, *in_x_rays.found])]
    return replace(release, problems=problems, readings=readings, divided=divided)


def _read_boxes(path: Path) -> _Table:
    """Reads a table of boxes; corners are those of the file, and not yet compared with its size."""
    table = _Table(path, {}, [], {}, Problems("tables"))
    columns: list[str] = []

    def accepts(header: list[str]) -> bool:
        columns.extend(header)
        return has_columns(("image_id", "class_name", *CORNERS), header, path, table.problems)

    numbers: dict[str, str] = {}
    for row, cells in rows_of(path, "a CSV of boxes", accepts, table.problems):
        image = cells["image_id"].strip()
        if not _ID.fullmatch(image):
            expected = "the name of an X-ray's file without its suffix"
            table.problems.add(f"{path}:{row}:image_id", repr(image), expected, "Correct the id.")
            continue
        table.first.setdefault(image, row)
        reader = cells["rad_id"].strip() if "rad_id" in columns else CONSENSUS
        if not reader:
            remedy = "Fill in the reader; leave the column out if several have agreed."
            table.problems.add(f"{path}:{row}:rad_id", "no reader", "who drew the box", remedy)
            continue
        table.readers.setdefault(image, {})[reader] = None
        name = cells["class_name"].strip()
        if name not in KNOWN:
            meant = near(name, KNOWN)
            remedy = f"Did you mean {meant!r}?" if meant else "Correct the name."
            table.problems.add(
                f"{path}:{row}:class_name", repr(name), "a finding of VinDr-CXR", remedy
            )
            continue
        number = cells.get("class_id", "").strip()
        if numbers.setdefault(name, number) != number:
            found = f"{name!r} as {number!r}"
            expected = f"{numbers[name]!r}, as in the rows before"
            table.problems.add(f"{path}:{row}:class_id", found, expected, "Correct one of them.")
        _add_box(table, row, image, reader, name, [cells[each].strip() for each in CORNERS])
    return table


def _add_box(
    table: _Table, row: int, image: str, reader: str, name: str, cells: Sequence[str]
) -> None:
    """Adds the box of a row, or a problem with its cells."""
    where, blank = f"{table.path}:{row}", [cell in BLANK for cell in cells]
    if name == NOTHING:
        if not all(blank):
            remedy = "Delete the corners, or name the finding."
            table.problems.add(f"{where}:x_min", f"a box of {NOTHING!r}", "no corners", remedy)
        return
    if any(blank):
        column = CORNERS[blank.index(True)]
        remedy = "Fill in the corners, or delete the row."
        table.problems.add(f"{where}:{column}", f"{name!r} without a box", "four corners", remedy)
        return
    try:
        x_min, y_min, x_max, y_max = map(float, cells)
    except ValueError:
        found = ", ".join(cells)
        table.problems.add(f"{where}:x_min", repr(found), "four numbers", "Correct the corners.")
        return
    table.boxes.append((row, Box(image, reader, name, x_min, y_min, x_max, y_max)))


def _check_readers(table: _Table) -> None:
    """Adds a problem where a table of readers lacks one: a row of who drew nothing is missing."""
    numbers = [len(names) for names in table.readers.values()]
    usual = max(set(numbers), key=numbers.count, default=0)
    for image, names in table.readers.items():
        if len(names) < usual:
            found = f"{image} with {len(names)} readers"
            remedy = f"Add a row {NOTHING!r} for a reader who drew nothing, or delete the X-ray."
            where = f"{table.path}:{table.first[image]}:rad_id"
            table.problems.add(where, found, f"{usual}, as most X-rays have", remedy)


def _files_of(root: Path) -> dict[str, list[str]]:
    """Returns image_id -> paths of its files, relative to `root`."""
    found: dict[str, list[str]] = {}
    for folder in FOLDERS:
        names = sorted(os.listdir(root / folder)) if (root / folder).is_dir() else []
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in SUFFIXES:
                found.setdefault(stem, []).append(f"{folder}/{name}")
    return found


def _image_of(image: str, table: _Table, there: Mapping[str, list[str]]) -> str | None:
    """Returns the file of an X-ray; None, with a problem, if there are several."""
    files = there.get(image, [])
    if len(files) > 1:
        where = f"{table.path}:{table.first[image]}:image_id"
        table.problems.add(where, f"{' and '.join(files)}", "one file", "Delete one of them.")
    return files[0] if len(files) == 1 else None


def _check_present(table: _Table, paths: Mapping[str, str | None], root: Path) -> None:
    """Adds a problem for each X-ray without a file, or a single one if all have none."""
    reported = {problem.where for problem in table.problems.found}
    absent = [image for image, path in paths.items() if path is None]
    absent = [i for i in absent if f"{table.path}:{table.first[i]}:image_id" not in reported]
    expected = f"its file in {' or '.join(f'{root}/{each}' for each in FOLDERS)}"
    remedy = "Fetch the X-ray, or delete its rows."
    if len(absent) == len(paths) > ALL_ABSENT:
        found = f"{len(absent)} X-rays, none of which has a file"
        table.problems.add(table.path, found, expected, "Correct data.root, or fetch the X-rays.")
        return
    for image in absent:
        where = f"{table.path}:{table.first[image]}:image_id"
        table.problems.add(where, f"no file of {image}", expected, remedy)


def _sizes_of(
    paths: Mapping[str, str | None], root: Path, problems: Problems
) -> dict[str, tuple[int, int]]:
    """Returns height and width of X-rays, as `chexseg.data.images` opens them."""
    sizes = {}
    for image, path in paths.items():
        try:
            if path is not None:
                sizes[image] = image_size(root / path)
        except InputError as error:
            problems.found += error.problems
    return sizes


def _placed(
    table: _Table,
    paths: Mapping[str, str | None],
    sizes: Mapping[str, tuple[int, int]],
    originals: Mapping[str, tuple[int, int]],
    root: Path,
) -> list[Box]:
    """Returns the boxes in pixels of the X-ray as it is opened; adds those outside of it."""
    placed, shapes = [], {}
    for row, box in table.boxes:
        if box.cxr_id not in sizes:  # its file is missing or damaged, which has been reported
            continue
        if box.cxr_id not in shapes:
            shapes[box.cxr_id] = originals.get(box.cxr_id) or _stored_size(
                root / paths[box.cxr_id], sizes[box.cxr_id]
            )
        (height, width), (tall, wide) = sizes[box.cxr_id], shapes[box.cxr_id]
        if fault := find_fault(box.corners, tall, wide):
            table.problems.add(f"{table.path}:{row}:x_min", *fault)
            continue
        x, y = width / wide, height / tall
        x_min, y_min, x_max, y_max = box.corners
        placed.append(
            box._replace(x_min=x_min * x, y_min=y_min * y, x_max=x_max * x, y_max=y_max * y)
        )
    return placed


def _stored_size(path: Path, size: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width of an X-ray in its file, of `size` as it is opened."""
    down, right = image_stretch(path)
    return round(size[0] / down), round(size[1] / right)


def _readings(table: _Table, boxes: Sequence[Box]) -> Readings:
    drawn: dict[str, list[Box]] = {}
    for box in boxes:
        name = OTHER if box.finding in RARE else box.finding
        drawn.setdefault(box.cxr_id, []).append(box._replace(finding=name))
    return {
        image: Reading(tuple(table.readers.get(image, ())), tuple(drawn.get(image, ())))
        for image in table.first
    }


def _rows(
    table: _Table,
    paths: Mapping[str, str | None],
    readings: Readings,
    labels: Mapping[tuple[str, str], float],
    findings: Sequence[str],
) -> pd.DataFrame:
    """Returns the rows of a part; see `Part`."""
    drawn = (*CHALLENGE, ABNORMALITY)
    rows = []
    for image, row in table.first.items():
        values = [
            readings[image].label(name)
            if name in drawn
            else label_of_votes(labels.get((image, name)))
            for name in findings
        ]
        where = f"{table.path}:{row}:image_id"
        rows.append((image, paths[image], image, "1", "frontal", where, *values))
    columns = ["cxr_id", "path", "patient", "study", "view", "source", *findings]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(findings, float))
