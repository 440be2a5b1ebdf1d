"""Which X-rays are scored, and of which patient each is: what the bootstrap resamples."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from chexseg.data.index import read_index
from chexseg.errors import InputError, Problem

_CHEXPERT = re.compile(r"(patient\d+)_study\d+_")

FROM_IDS = "patients: as the ids of the X-rays say, which are all named as in CheXpert"
UNKNOWN = (
    "patients: unknown, so each X-ray counts as a patient; if some patients have several X-rays, "
    "intervals are too narrow: name an index with --index"
)


def patients_of_index(
    path: Path, split: str
) -> tuple[dict[str, str], dict[str, tuple[int, int]] | None]:
    """Returns the X-rays of a split of an index, each with its patient, and their sizes.

    Args:
        path: CSV with the columns cxr_id, patient and split, such as a study's index.
        split: the split whose X-rays are scored.

    Returns:
        cxr_id -> patient, in the order of the index; and cxr_id -> (height, width), None if the
        index does not have the size of all.

    Raises:
        InputError: there is no index, it has no X-ray of the split, or it does not tell the
            patient of each.
    """
    rows = read_index(path, split)
    if rows.empty:
        found = f"no X-ray of split {split!r}"
        raise InputError([Problem(str(path), found, "one or more", "Correct --split.")])
    unknown = rows["patient"].isna() if "patient" in rows else rows["split"].notna()
    if unknown.any():
        found = f"no patient of {rows.index[unknown][0]!r}"
        remedy = "Fill the column 'patient': X-rays of one patient are resampled together."
        raise InputError([Problem(str(path), found, "a patient for each X-ray", remedy)])
    patients = dict(zip(rows.index, rows["patient"], strict=True))
    sizes = rows.reindex(columns=["height", "width"])
    if sizes.isna().any(axis=None):
        return patients, None
    sizes = sizes.astype(int)
    return patients, dict(zip(sizes.index, sizes.itertuples(index=False), strict=True))


def patients_of_ids(cxr_ids: Collection[str]) -> tuple[dict[str, str], str]:
    """Returns X-rays with their patients where no index tells them, and how they were found.

    CheXpert's ids name the patient: `patient64741_study1_view1_frontal`. They are read only if
    every id is of this form; an id such as `00000001_000` may or may not begin with a patient, so
    each X-ray then counts as a patient.

    Returns:
        cxr_id -> patient, in the order given; and FROM_IDS or UNKNOWN.
    """
    found = [_CHEXPERT.match(cxr_id) for cxr_id in cxr_ids]
    if all(found):
        patients = {cxr_id: match[1] for cxr_id, match in zip(cxr_ids, found, strict=True)}
        return patients, FROM_IDS
    return {cxr_id: cxr_id for cxr_id in cxr_ids}, UNKNOWN
