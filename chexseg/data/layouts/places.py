"""Where the X-rays of a CheXpert table are, if they are not next to it: in batches, or elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

RELEASES = ("CheXpert-v1.0", "CheXpert-v1.0-small", "CheXpert")
"""Folders that a `Path` may start with; the X-rays are next to the table, without this prefix."""

SPLIT_FOLDERS = ("train", "valid", "val", "test")
"""Folders next to the tables that hold the X-rays of a split."""

BATCH = re.compile(r"CheXpert-v1\.0(-small)? batch \d+\b.*")
"""Folders in which CheXpert is downloaded today: `CheXpert-v1.0 batch 2 (train 1)` and so on."""

MOST_FOLDERS = 2_000
"""Maximum number of folders in which a missing X-ray is looked for."""

OTHERS = {
    "MIMIC-CXR-JPG": ("subject_id", "study_id"),
    "NIH ChestX-ray14": ("Image Index", "Finding Labels"),
    "VinDr-CXR": ("image_id", "rad_id"),
    "PadChest": ("ImageID", "StudyID"),
}
"""Data set -> columns by which its tables are known."""


EXPECTED_PATH = "…/patientNNNNN/studyN/viewN_frontal.jpg"

OF_ANOTHER = "Name the layout of your data by data.layout: see config/README.md, 'The data'."
"""Remedy for a table of another data set."""


def data_set_of(header: Sequence[str]) -> str | None:
    """Returns the data set whose table has this header, if it is one of OTHERS."""
    return next((name for name, own in OTHERS.items() if {*own} <= {*header}), None)


def batches_of(folder: Path) -> list[Path]:
    """Returns CheXpert's batches in a folder or beside it, in their order."""
    # Unlike iterdir, glob passes over a folder that is absent or may not be listed.
    there = (each for place in (folder, folder.parent) for each in place.glob("CheXpert-*"))
    return sorted(each for each in there if BATCH.fullmatch(each.name))


def in_batches(batches: Sequence[Path], image: str) -> Path | None:
    """Returns the file of an X-ray in one of the batches, which may lack the folder of its split.

    Args:
        batches: their folders.
        image: path of the X-ray next to the table, such as `train/patient00001/study1/view1.jpg`.
    """
    shorter = image.partition("/")[2]
    found = (batch / path for batch in batches for path in (shorter, image))
    return next((file for file in found if os.path.isfile(file)), None)


def folder_of(image: str, root: Path) -> str | None:
    """Returns the folder below `root` that holds an X-ray's `patient/study/view`, if one is found."""
    tail = PurePosixPath(*PurePosixPath(image).parts[-3:])
    places = [root]
    for number, place in enumerate(places):  # it grows: level by level
        if number == MOST_FOLDERS:
            return None
        if os.path.isfile(place / tail):
            return place.relative_to(root).as_posix()
        try:
            inside = sorted(each for each in place.iterdir() if each.is_dir())
        except OSError:
            continue
        places += [each for each in inside if not each.name.startswith("patient")]
    return None


def place_of(folder: Path, image: str, root: Path | None) -> str | None:
    """Returns the remedy for a missing X-ray that exists elsewhere, next to the table or in `root`."""
    parts = PurePosixPath(image).parts
    for skip in range(1, len(parts)):
        shorter = PurePosixPath(*parts[skip:])
        if os.path.isfile(folder / shorter):
            return f"The file is there without the prefix {'/'.join(parts[:skip])!r}: remove it."
    for longer in (*SPLIT_FOLDERS, *RELEASES):
        if os.path.isfile(folder / longer / image):
            return f"The file is there below {longer!r}: write {longer}/{image}."
    place = folder_of(image, root) if root is not None else None
    if place is None:
        return None
    return f"The file is in {root / place}: move or link what is there to {(folder / image).parents[2]}."
