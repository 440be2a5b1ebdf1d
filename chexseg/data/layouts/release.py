"""A release as it lies in its folder: tables of labels, masks and X-rays, checked together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from chexseg.data.images import image_size
from chexseg.data.layouts.chexpert import find_images, read_labels
from chexseg.data.masks import Rle, read_masks
from chexseg.data.splits import check_disjoint
from chexseg.errors import InputError, Problem, Problems

TABLES = ("train", "validation", "test")
"""The tables of a release. The split `expert` is taken out of `validation` later."""


@dataclass(frozen=True)
class Release:
    """What a release holds, and everything that is wrong with it.

    Attributes:
        table: the rows of all tables as `chexseg.data.layouts.chexpert.read_labels` gives them, lateral
            X-rays too, with `split` (one of TABLES) and `source` (`file:row:column`). Frontal ones
            have a `path` (see `find_images`), those of validation and test a `height` and a
            `width`, too, as in the header of the file.
        masks: the masks of each file that could be read.
        problems: what is wrong with tables, X-rays and masks. If there are any, the rest is only
            what could be read.
    """

    table: pd.DataFrame
    masks: dict[Path, dict[str, dict[str, Rle]]]
    problems: list[Problem]

    @property
    def frontal(self) -> pd.DataFrame:
        """The rows of the frontal X-rays: those that take part in a study."""
        return self.table[self.table["view"] == "frontal"]


def read_release(
    root: Path,
    tables: Mapping[str, Path],
    masks: Mapping[str, Sequence[Path]],
    pathologies: tuple[str, ...],
) -> Release:
    """Reads tables and masks, and checks them against each other and against the X-rays there.

    Args:
        root: folder of the data; no X-ray may lie outside it.
        tables: the CSV of each of TABLES.
        masks: files of masks (CheXlocalize JSON) of `validation` and `test`; all files of one are
            checked against the same X-rays.
        pathologies: those that must have a mask in every entry.
    """
    in_tables, in_x_rays, in_masks = Problems("tables"), Problems("X-rays"), Problems("masks")
    parts, whole = [], {}
    for split, path in tables.items():
        problems = Problems("tables")
        table = read_labels(path, problems)
        frontal = table[table["view"] == "frontal"]
        table["path"] = find_images(frontal, path, root, problems)
        table["source"] = [f"{path}:{row}:Path" for row in table["row"]]
        table["split"] = split
        _check_filled(split, table, path, problems)
        parts.append(table)
        whole[split] = not problems.found
        in_tables.found += problems.found
    table = pd.concat(parts, ignore_index=True)
    check_disjoint(table, in_tables)

    known, of_file = {}, {}
    for split, paths in masks.items():
        rows = table[table["split"] == split]
        sizes = _read_sizes(rows[rows["view"] == "frontal"], root, in_x_rays)
        # Masks of lateral X-rays are passed over: CheXlocalize outlines both views.
        named = set(rows["cxr_id"]) if whole[split] else None
        for path in paths:
            try:
                of_file[path] = read_masks(path, pathologies=pathologies, sizes=sizes)
            except InputError as error:
                in_masks.found += error.problems
                continue
            frontal = set(rows["cxr_id"][rows["view"] == "frontal"])
            if frontal and not of_file[path]:
                in_masks.add(
                    path, "no X-ray at all", f"masks of the X-rays of {tables[split]}",
                    "Give the whole file: all these X-rays would count as without a finding.",
                )  # fmt: skip
            elif named is not None:
                _check_names(path, set(of_file[path]), named, frontal, in_masks)
        known |= sizes
    for column, side in (("height", 0), ("width", 1)):
        sides = {cxr_id: size[side] for cxr_id, size in known.items()}
        table[column] = table["cxr_id"].map(sides).astype("Int64")
    return Release(table, of_file, in_tables.found + in_masks.found + in_x_rays.found)


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


def _check_filled(split: str, table: pd.DataFrame, path: Path, problems: Problems) -> None:
    """Adds a table that leaves a split of the study without X-rays.

    Of the validation patients some give the split `expert`, so it takes two.
    """
    if len(table) == 0 and problems.found:  # it could not be read
        return
    patients = table["patient"][table["view"] == "frontal"].nunique(dropna=False)
    if patients == 0:
        found = f"{len(table)} X-rays, none of which is frontal" if len(table) else "no X-rays"
        expected = f"frontal X-rays for the split {split}"
        problems.add(path, found, expected, "Give a table that has some.")
    elif patients == 1 and split == "validation":
        expected = "two or more: masks of some train, those of the others select"
        problems.add(path, "X-rays of one patient", expected, "Add another patient's.")


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
