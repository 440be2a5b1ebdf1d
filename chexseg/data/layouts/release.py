"""A release as a layout read it: labels, masks and X-rays, checked together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from chexseg import catalog
from chexseg.data.images import image_size
from chexseg.data.masks import Rle, read_masks
from chexseg.data.splits import check_disjoint
from chexseg.errors import InputError, Problem, Problems, nearest

COLUMNS = ("cxr_id", "path", "patient", "study", "view", "source")
"""Columns that a layout gives for each X-ray, beside one for each finding."""

Masks = dict[str, dict[str, Rle]]
"""One file of masks: cxr_id -> pathology -> mask."""


@dataclass(frozen=True)
class Part:
    """The X-rays of one part of a release, as a layout read them.

    Attributes:
        path: the file that lists them, to be named in problems.
        rows: one row per X-ray, with COLUMNS and one float column for each finding: 1, 0,
            -1 (uncertain) or NaN (blank). `path` is relative to the root of the data, and NaN
            where it was refused and for lateral X-rays; `view` is "frontal" or "lateral";
            `source` says where the X-ray is listed, as `file:row:column`.
        problems: what is wrong with the table and the paths in it.
    """

    path: Path
    rows: pd.DataFrame
    problems: Problems


@dataclass(frozen=True)
class Release:
    """What a release holds, and everything that is wrong with it.

    Attributes:
        root: folder of the data.
        findings: the label columns of `table`.
        pathologies: the classes that every X-ray with masks has.
        table: the rows of all parts, with `split` (one of `layout.PARTS`); X-rays of the parts
            that have masks have a `height` and a `width` too, as in the header of the file.
        masks: part -> the content of its files of masks, the truth first; None for a file that
            could not be read.
        problems: what is wrong with tables, X-rays and masks. If there are any, the rest is only
            what could be read.
    """

    root: Path
    findings: tuple[str, ...]
    pathologies: tuple[str, ...]
    table: pd.DataFrame
    masks: dict[str, list[Masks | None]]
    problems: list[Problem]

    @property
    def frontal(self) -> pd.DataFrame:
        """The rows of the frontal X-rays: those that take part in a study."""
        return self.table[self.table["view"] == "frontal"]

    def truth(self, part: str) -> Masks | None:
        """Returns the expert masks of a part; None if there are none that could be read."""
        return next(iter(self.masks.get(part, ())), None)


def read_release(
    layout: str,
    root: Path,
    inputs: Mapping[str, Sequence[Path]],
    *,
    findings: tuple[str, ...] | None = None,
    pathologies: tuple[str, ...] | None = None,
) -> Release:
    """Reads a release by its layout.

    Args:
        layout: name of a layout in the catalog.
        root: folder of the data; no X-ray may lie outside it.
        inputs: role -> its files.
        findings: the labels to read; None for those of the layout.
        pathologies: classes that must have a mask wherever masks are given; None for those of the
            layout.

    Raises:
        InputError: there is no such layout, or a role has too few or too many files. What is wrong
            with the files themselves is told by `Release.problems`.
    """
    names = catalog.names("layout")
    if layout not in names:
        remedy = f"Did you mean {nearest(layout, names)!r}?"
        raise InputError([Problem("--layout", repr(layout), f"one of {', '.join(names)}", remedy)])
    kind = catalog.load("layout", layout)
    kind.check_given(inputs)
    return kind.model_construct().read(
        root,
        inputs,
        findings=kind.findings if findings is None else findings,
        pathologies=kind.pathologies if pathologies is None else pathologies,
    )


def assemble(
    root: Path,
    parts: Mapping[str, Part],
    masks: Mapping[str, Sequence[Path]],
    *,
    findings: tuple[str, ...],
    pathologies: tuple[str, ...],
) -> Release:
    """Reads masks, and checks parts and masks against each other and against the X-rays there.

    Args:
        root: folder of the data.
        parts: the parts of the release.
        masks: part -> files of its masks (CheXlocalize JSON), all of which are checked against the
            same X-rays.
        findings, pathologies: see `Release`.
    """
    in_tables, in_x_rays, in_masks = Problems("tables"), Problems("X-rays"), Problems("masks")
    tables = []
    for name, part in parts.items():
        _check_filled(name, part)
        in_tables.found += part.problems.found
        tables.append(part.rows[[*COLUMNS, *findings]].assign(split=name))
    table = pd.concat(tables, ignore_index=True)
    check_disjoint(table, in_tables)

    known, contents = {}, {}
    for name, paths in masks.items():
        rows = table[table["split"] == name]
        sizes = _read_sizes(rows[rows["view"] == "frontal"], root, in_x_rays)
        contents[name] = [
            _read_masks(path, rows, parts[name], sizes, pathologies, in_masks) for path in paths
        ]
        known |= sizes
    for column, side in (("height", 0), ("width", 1)):
        sides = {cxr_id: size[side] for cxr_id, size in known.items()}
        table[column] = table["cxr_id"].map(sides).astype("Int64")
    problems = in_tables.found + in_masks.found + in_x_rays.found
    return Release(root, findings, pathologies, table, contents, problems)


def _read_masks(
    path: Path,
    rows: pd.DataFrame,
    part: Part,
    sizes: dict[str, tuple[int, int]],
    pathologies: tuple[str, ...],
    problems: Problems,
) -> Masks | None:
    """Reads a file of masks and checks its X-rays; None after adding problems of its form."""
    try:
        masks = read_masks(path, pathologies=pathologies, sizes=sizes)
    except InputError as error:
        problems.found += error.problems
        return None
    frontal = set(rows["cxr_id"][rows["view"] == "frontal"])
    if frontal and not masks:
        problems.add(
            path, "no X-ray at all", f"masks of the X-rays of {part.path}",
            "Give the whole file: all these X-rays would count as without a finding.",
        )  # fmt: skip
    elif not part.problems.found:  # otherwise the table may name fewer X-rays than it should
        # Masks of lateral X-rays are passed over: CheXlocalize outlines both views.
        _check_names(path, set(masks), set(rows["cxr_id"]), frontal, problems)
    return masks


def _read_sizes(table: pd.DataFrame, root: Path, problems: Problems) -> dict[str, tuple[int, int]]:
    """Returns height and width of the X-rays of a table, from their headers.

    X-rays that are absent or refused have been told with the table.
    """
    sizes = {}
    table = table[table["path"].notna()]
    for cxr_id, image in zip(table["cxr_id"], table["path"], strict=True):
        try:
            if os.path.isfile(root / image):
                sizes[cxr_id] = image_size(root / image)
        except InputError as error:
            problems.found += error.problems
    return sizes


def _check_filled(name: str, part: Part) -> None:
    """Adds a table that leaves a split of the study without X-rays.

    Of the validation patients some give the split `expert`, so it takes two.
    """
    table, problems = part.rows, part.problems
    if len(table) == 0 and problems.found:  # it could not be read
        return
    patients = table["patient"][table["view"] == "frontal"].nunique(dropna=False)
    if patients == 0:
        found = f"{len(table)} X-rays, none of which is frontal" if len(table) else "no X-rays"
        expected = f"frontal X-rays for the split {name}"
        problems.add(part.path, found, expected, "Give a table that has some.")
    elif patients == 1 and name == "validation":
        expected = "two or more: masks of some train, those of the others select"
        problems.add(part.path, "X-rays of one patient", expected, "Add another patient's.")


def _check_names(
    path: Path, ids: set[str], named: set[str], frontal: set[str], problems: Problems
) -> None:
    """Adds masks of X-rays that the table does not name, or masks of lateral ones only."""
    expected = "an X-ray of the table"
    if not ids & (frontal or named):
        known = "is frontal" if ids & named else "the table names"
        found = f"masks of {len(ids)} X-rays, none of which {known}"
        remedy = "Give the masks and the table of the same X-rays."
        problems.add(path, found, expected, remedy)
        return
    for cxr_id in sorted(ids - named):
        problems.add(
            f"{path}:{cxr_id}", "masks of an X-ray that the table does not name", expected,
            "Delete the entry, or add the X-ray to the table.",
        )  # fmt: skip
