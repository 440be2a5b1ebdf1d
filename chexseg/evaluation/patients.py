"""Finds the X-rays to score and the patient of each, for the bootstrap over patients."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from chexseg.data.index import read_index
from chexseg.errors import InputError, Problem

_CHEXPERT = re.compile(r"(patient\d+)_study\d+_")

FROM_IDS = "patients: taken from the ids of the X-rays, which are all named as in CheXpert"
EACH = "patients: each X-ray counts as one, as --resample x_rays says"
UNKNOWN = (
    "patients: unknown, so each X-ray counts as a patient; if some patients have several X-rays, "
    "intervals are too narrow: pass an index with --index"
)


def patients_of_index(
    path: Path, split: str
) -> tuple[dict[str, str], dict[str, tuple[int, int]] | None]:
    """Returns the patients and sizes of the X-rays of a split, from an index.

    Args:
        path: CSV with the columns cxr_id, patient and split, such as a study's index.
        split: the split to score.

    Returns:
        cxr_id -> patient, in the order of the index; and cxr_id -> (height, width), or None if the
        index lacks the size of any X-ray.

    Raises:
        InputError: there is no index, it has no X-ray of the split, or it lacks the patient of an
            X-ray.
    """
    rows = read_index(path, split)
    if rows.empty:
        found = f"no X-ray of split {split!r}"
        raise InputError([Problem(str(path), found, "one or more", "Correct --split.")])
    unknown = rows["patient"].isna() if "patient" in rows else rows["split"].notna()
    if unknown.any():
        found = f"no patient of {rows.index[unknown][0]!r}"
        remedy = "Fill the column 'patient': X-rays of one patient are resampled together."
        raise InputError([Problem(str(path), found, "a patient for every X-ray", remedy)])
    patients = dict(zip(rows.index, rows["patient"], strict=True))
    sizes = rows.reindex(columns=["height", "width"])
    if sizes.isna().any(axis=None):
        return patients, None
    sizes = sizes.astype(int)
    return patients, dict(zip(sizes.index, sizes.itertuples(index=False), strict=True))


def patients_of_ids(cxr_ids: Collection[str]) -> tuple[dict[str, str], str]:
    """Derives patients from the ids of X-rays, for use without an index.

    CheXpert's ids contain the patient: `patient64741_study1_view1_frontal`. They are used only if
    every id has this form. An id such as `00000001_000` may or may not begin with a patient, so
    each X-ray then counts as a patient.

    Returns:
        cxr_id -> patient, in the given order; and FROM_IDS or UNKNOWN, which say how.
    """
    found = [_CHEXPERT.match(cxr_id) for cxr_id in cxr_ids]
    if all(found):
        patients = {cxr_id: match[1] for cxr_id, match in zip(cxr_ids, found, strict=True)}
        return patients, FROM_IDS
    return {cxr_id: cxr_id for cxr_id in cxr_ids}, UNKNOWN
