"""A release as read by a layout: labels, masks and X-rays, checked against each other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from chexseg import catalog
from chexseg.data.images import image_size
from chexseg.data.masks import Rle, read_masks
from chexseg.data.readings import Readings
from chexseg.data.splits import check_disjoint
from chexseg.errors import InputError, Problem, Problems, nearest

COLUMNS = ("cxr_id", "path", "patient", "study", "view", "source")
"""Columns that a layout provides for each X-ray, in addition to one per finding."""

Masks = dict[str, dict[str, Rle]]
"""One file of masks: cxr_id -> pathology -> mask."""


@dataclass(frozen=True)
class Part:
    """Holds the X-rays of one part of a release, as read by a layout.

    Attributes:
        path: the file that lists them, for use in error messages.
        rows: one row per X-ray, with COLUMNS and one float column per finding: 1, 0,
            -1 (uncertain) or NaN (blank). `path` is relative to the data folder, and NaN if it was
            rejected or the X-ray is lateral; `view` is "frontal" or "lateral"; `source` is the
            place where the X-ray is listed, as `file:row:column`.
        problems: problems of the table and of the paths in it.
        assumed_views: places of the X-rays whose view neither table nor file name says; they count
            as frontal.
    """

    path: Path
    rows: pd.DataFrame
    problems: Problems
    assumed_views: tuple[str, ...] = ()


@dataclass(frozen=True)
class Release:
    """Holds the content of a release and everything that is wrong with it.

    Attributes:
        root: data folder.
        findings: the label columns of `table`.
        pathologies: the classes of the masks of every X-ray that has masks.
        table: the rows of all parts, with `split` (one of `layout.PARTS`). X-rays of parts with
            masks or boxes also have `height` and `width`, read from the header of the image file.
        masks: part -> the content of its mask files, the truth first; None for a file that
            could not be read.
        problems: problems of tables, X-rays and masks. If there are any, the other attributes
            hold only what could be read.
        readings: the boxes of all X-rays, for layouts that have boxes.
        divided: see `chexseg.data.layouts.layout.Layout.divided`.
        assumed_views: part -> see `Part.assumed_views`.
    """

    root: Path
    findings: tuple[str, ...]
    pathologies: tuple[str, ...]
    table: pd.DataFrame
    masks: dict[str, list[Masks | None]]
    problems: list[Problem]
    readings: Readings = field(default_factory=dict)
    divided: tuple[str, ...] = ()
    assumed_views: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def frontal(self) -> pd.DataFrame:
        """Rows of the frontal X-rays, the only ones that a study uses."""
        return self.table[self.table["view"] == "frontal"]

    def truth(self, part: str) -> Masks | None:
        """Returns the expert masks of a part, or None if none could be read."""
        return next(iter(self.masks.get(part, ())), None)


def read_release(
    layout: str,
    root: Path,
    inputs: Mapping[str, Sequence[Path]],
    *,
    findings: tuple[str, ...] | None = None,
    pathologies: tuple[str, ...] | None = None,
) -> Release:
    """Reads a release with the given layout.

    Args:
        layout: name of a layout in the catalog.
        root: data folder; every X-ray must be inside it.
        inputs: role -> its files.
        findings: the labels to read; None for the layout's default.
        pathologies: classes for which every X-ray in a mask file must have a mask; None for the
            layout's default.

    Raises:
        InputError: the layout does not exist, or a role has too few or too many files. Problems
            of the files themselves are in `Release.problems` instead.
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
    every: bool = False,
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> Release:
    """Reads the masks, and checks parts, masks and image files against each other.

    Args:
        root: data folder.
        parts: the parts of the release.
        masks: part -> its mask files, all for the same X-rays. Several parts may share a file.
        findings, pathologies: see `Release`.
        every: whether every X-ray of these parts must have an entry in each of its mask files.
        sizes: cxr_id -> height and width, if the layout has read them; None: those of the X-rays of
            parts with masks are read here.
    """
    in_tables, in_x_rays, in_masks = Problems("tables"), Problems("X-rays"), Problems("masks")
    tables = []
    for name, part in parts.items():
        _check_filled(name, part)
        in_tables.found += part.problems.found
        tables.append(part.rows[[*COLUMNS, *findings]].assign(split=name))
    table = pd.concat(tables, ignore_index=True)
    check_disjoint(table, in_tables)

    contents: dict[str, list[Masks | None]] = {name: [] for name in masks}
    with_masks = table[table["split"].isin(masks) & (table["view"] == "frontal")]
    known = _read_sizes(with_masks, root, in_x_rays) if sizes is None else sizes
    for path, names in _parts_of_masks(masks).items():
        rows = table[table["split"].isin(names)]
        read = _read_masks(
            path, rows, [parts[n] for n in names], known, pathologies, in_masks, every=every
        )
        for name in names:
            contents[name].append(read)
    for column, side in (("height", 0), ("width", 1)):
        sides = {cxr_id: size[side] for cxr_id, size in known.items()}
        table[column] = table["cxr_id"].map(sides).astype("Int64")
    # Parts from one table share its problems.
    problems = [*dict.fromkeys(in_tables.found + in_masks.found + in_x_rays.found)]
    assumed = {name: part.assumed_views for name, part in parts.items() if part.assumed_views}
    return Release(root, findings, pathologies, table, contents, problems, assumed_views=assumed)


def refuse_assumed_views(release: Release) -> list[Problem]:
    """Returns a problem for each part that has X-rays of an unknown view."""
    return [
        Problem(
            places[0],
            f"{len(places)} X-rays whose view neither the table nor the file name says",
            "Frontal or Lateral, since data.index.assume_frontal is false",
            "Fill in the column 'Frontal/Lateral'.",
            "tables",
        )
        for places in release.assumed_views.values()
    ]


def _parts_of_masks(masks: Mapping[str, Sequence[Path]]) -> dict[Path, list[str]]:
    """Returns mask file -> the parts whose X-rays it has, in the order of parts and files."""
    found: dict[Path, list[str]] = {}
    for name, paths in masks.items():
        for path in paths:
            found.setdefault(path, []).append(name)
    return found


def _read_masks(
    path: Path,
    rows: pd.DataFrame,
    parts: Sequence[Part],
    sizes: Mapping[str, tuple[int, int]],
    pathologies: tuple[str, ...],
    problems: Problems,
    *,
    every: bool,
) -> Masks | None:
    """Reads a mask file and checks its X-rays; returns None if its format is invalid."""
    try:
        masks = read_masks(path, pathologies=pathologies, sizes=sizes)
    except InputError as error:
        problems.found += error.problems
        return None
    frontal = set(rows["cxr_id"][rows["view"] == "frontal"])
    if frontal and not masks:
        problems.add(
            path, "no X-ray at all", f"masks of the X-rays of {parts[0].path}",
            "Provide the whole file; otherwise all these X-rays would count as having no finding.",
        )  # fmt: skip
    elif not any(part.problems.found for part in parts):  # or a table may lack X-rays of its own
        # Masks of lateral X-rays are ignored: CheXlocalize outlines both views.
        _check_names(path, set(masks), set(rows["cxr_id"]), frontal, problems)
        for cxr_id in sorted(frontal - set(masks)) if every and frontal & set(masks) else ():
            remedy = "Add them, empty where it shows nothing, or leave out the X-ray."
            problems.add(f"{path}:{cxr_id}", "no masks", "masks of every X-ray", remedy)
    return masks


def _read_sizes(table: pd.DataFrame, root: Path, problems: Problems) -> dict[str, tuple[int, int]]:
    """Returns height and width of the X-rays of a table, from their headers.

    Missing or rejected X-rays are skipped: they were reported with the table.
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
    """Adds a problem if a table would leave a split of the study without X-rays.

    Validation needs two patients, since some of them make up the split `expert`.
    """
    table, problems = part.rows, part.problems
    if len(table) == 0 and problems.found:  # it could not be read
        return
    patients = table["patient"][table["view"] == "frontal"].nunique(dropna=False)
    if patients == 0:
        found = f"{len(table)} X-rays, none of which is frontal" if len(table) else "no X-rays"
        expected = f"frontal X-rays for the split {name}"
        problems.add(part.path, found, expected, "Provide a table that has some.")
    elif patients == 1 and name == "validation":
        expected = "two or more patients: some for training, the others for model selection"
        problems.add(part.path, "X-rays of one patient", expected, "Add another patient's.")


def _check_names(
    path: Path, ids: set[str], listed: set[str], frontal: set[str], problems: Problems
) -> None:
    """Adds a problem for masks of X-rays missing from the table, or of lateral ones only."""
    expected = "an X-ray of the table"
    if not ids & (frontal or listed):
        known = "is frontal" if ids & listed else "is in the table"
        found = f"masks of {len(ids)} X-rays, none of which {known}"
        remedy = "Provide masks and a table of the same X-rays."
        problems.add(path, found, expected, remedy)
        return
    for cxr_id in sorted(ids - listed):
        problems.add(
            f"{path}:{cxr_id}", "masks of an X-ray that is not in the table", expected,
            "Delete the entry, or add the X-ray to the table.",
        )  # fmt: skip
