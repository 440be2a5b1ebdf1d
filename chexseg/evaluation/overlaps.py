"""Counts the pixels that two sets of masks share, on their run lengths.

pycocotools merges run lengths without decoding pixels. It is safe only for masks that were checked
by `read_masks` or made by `encode`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pycocotools import mask as coco

from chexseg.data.masks import Rle, read_masks
from chexseg.errors import InputError, Problems

Masks = Mapping[str, Mapping[str, Rle]]
COUNTS = ("intersection", "union", "truth_pixels", "predicted_pixels", "pixels")
ROW = ("cxr_id", "patient", "pathology")
COLUMNS = (*ROW, *COUNTS)


def overlap_table(
    truth: Masks,
    prediction: Masks,
    *,
    patients: Mapping[str, str],
    pathologies: Sequence[str],
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> pd.DataFrame:
    """Counts the pixels of truth, prediction, their intersection and their union.

    Args:
        truth: masks as from `read_masks`.
        prediction: masks of the same X-rays. In both, a missing X-ray or pathology means an empty
            mask: CheXlocalize omits X-rays without a positive label.
        patients: X-ray -> patient, for the X-rays to score.
        pathologies: the pathologies to score.
        sizes: X-ray -> (height, width); by default, those of its masks.

    Returns:
        One row per X-ray and pathology, in that order, with the columns COLUMNS; the counts are
        int64. `pixels` is the size of the X-ray, 0 if it is unknown.

    Raises:
        InputError: truth and prediction differ in size; lists all such masks.
    """
    problems, counts = Problems(), []
    for cxr_id in patients:
        pixels = _pixels(cxr_id, truth, prediction, sizes)
        for pathology in pathologies:
            drawn = truth.get(cxr_id, {}).get(pathology)
            predicted = prediction.get(cxr_id, {}).get(pathology)
            if drawn and predicted and drawn["size"] != predicted["size"]:
                problems.add(
                    f"{cxr_id}:{pathology}", f"a prediction of size {predicted['size']}",
                    f"{drawn['size']}, the size of the truth",
                    "Provide masks at the native size of the X-ray, height first.",
                )  # fmt: skip
            else:
                counts.append((*_count(drawn, predicted), pixels))
    problems.raise_if_any()
    table = pd.DataFrame(counts, columns=list(COUNTS), dtype=np.int64)
    table["cxr_id"] = [cxr_id for cxr_id in patients for _ in pathologies]
    table["patient"] = [patient for patient in patients.values() for _ in pathologies]
    table["pathology"] = [pathology for _ in patients for pathology in pathologies]
    return table[list(COLUMNS)]


def _pixels(
    cxr_id: str, truth: Masks, prediction: Masks, sizes: Mapping[str, tuple[int, int]] | None
) -> int:
    """Returns the number of pixels of an X-ray; 0 if it is unknown."""
    if sizes is not None:
        return math.prod(map(int, sizes[cxr_id]))
    masks = (*truth.get(cxr_id, {}).values(), *prediction.get(cxr_id, {}).values())
    return math.prod(masks[0]["size"]) if masks else 0


def _count(drawn: Rle | None, predicted: Rle | None) -> tuple[int, int, int, int]:
    """Returns COUNTS of two masks of equal size, but for `pixels`."""
    truth_pixels = int(coco.area(drawn)) if drawn else 0
    predicted_pixels = int(coco.area(predicted)) if predicted else 0
    shared = 0
    if truth_pixels and predicted_pixels:
        shared = int(coco.area(coco.merge([drawn, predicted], intersect=True)))
    union = truth_pixels + predicted_pixels - shared
    return shared, union, truth_pixels, predicted_pixels


def read_both(
    truth: Path,
    prediction: Path,
    *,
    pathologies: Sequence[str],
    sizes: Mapping[str, tuple[int, int]] | None = None,
    wanted: Collection[str] = (),
) -> tuple[Masks, Masks]:
    """Reads expert masks and predicted masks, after checking both files.

    Args:
        truth: CheXlocalize JSON of the experts.
        prediction: CheXlocalize JSON of a run.
        pathologies: the ones that every X-ray of a file must have.
        sizes: see `read_masks`.
        wanted: the X-rays to score; if empty, the X-rays of `truth`.

    Raises:
        InputError: lists everything wrong with the two files. A file whose masks include none of
            the X-rays to score is an error, since its X-rays must be named differently.
    """
    problems, files = Problems(), []
    for path in (truth, prediction):
        try:
            files.append(read_masks(path, pathologies=pathologies, sizes=sizes))
        except InputError as error:
            problems.found += error.problems
    problems.raise_if_any()
    check_shared((truth, prediction), files, wanted or files[0])
    return files[0], files[1]


def check_shared(paths: Sequence[Path], files: Sequence[Masks], wanted: Collection[str]) -> None:
    """Raises InputError if a file has masks, but none of the X-rays that are wanted."""
    problems = Problems()
    for path, masks in zip(paths, files, strict=True):
        if masks and wanted and not set(wanted) & set(masks):
            problems.add(
                path, f"no X-ray to score; the first is {next(iter(masks))!r}",
                f"X-rays such as {next(iter(wanted))!r}", "Use the same X-ray names in all files.",
            )  # fmt: skip
    problems.raise_if_any()


def read_overlaps(path: Path, problems: Problems) -> pd.DataFrame | None:
    """Reads a table written by `chexseg count-overlaps`.

    Returns:
        The table with the columns COLUMNS; None, after adding a problem, if it is not such a table.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(ROW, str))
    except (OSError, ValueError) as error:
        problems.add(path, f"unreadable ({error})", "a CSV of overlaps", "Correct the path.")
        return None
    missing = [column for column in COLUMNS if column not in table]
    if missing or any(table[column].dtype != np.int64 for column in COUNTS):
        problems.add(
            path, f"columns {', '.join(table.columns)}", f"pixel counts in {', '.join(COLUMNS)}",
            "Create the table with `chexseg count-overlaps`.",
        )  # fmt: skip
        return None
    return table
