"""Counts the overlap of predicted masks with expert masks, in pixels, for every X-ray."""

from __future__ import annotations

import gzip
from pathlib import Path

from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.evaluation.overlaps import overlap_table, read_both
from chexseg.evaluation.patients import patients_of_index
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic


def run(
    *,
    index: Path,
    truth: Path,
    prediction: Path,
    out: Output,
    split: str = "test",
    pathologies: tuple[str, ...] = PATHOLOGIES,
) -> None:
    """Count the pixels that the masks of a run share with the expert masks.

    An X-ray without an entry in a file has empty masks.

    Args:
        index: The study's index, with the X-rays to count and their patients.
        truth: Expert masks (CheXlocalize JSON).
        prediction: Masks of the run (CheXlocalize JSON), at the same size.
        out: CSV (or .csv.gz) with one row per X-ray and pathology.
        split: Split of the index.
        pathologies: Pathologies to count.

    Raises:
        InputError: lists everything wrong with the files.
    """
    patients, sizes = patients_of_index(index, split)
    masks = read_both(truth, prediction, pathologies=pathologies, sizes=sizes, wanted=patients)
    table = overlap_table(*masks, patients=patients, pathologies=pathologies, sizes=sizes)
    content = table.to_csv(index=False, lineterminator="\n").encode()
    if out.suffix == ".gz":
        content = gzip.compress(content, mtime=0)  # equal tables give equal bytes
    with atomic(out) as temporary:
        temporary.write_bytes(content)
    absent = sum(cxr_id not in masks[1] for cxr_id in patients)
    number = len(set(patients.values()))
    print(f"{len(patients)} X-rays of {number} patients, {absent} without a prediction.")
