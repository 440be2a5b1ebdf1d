"""Masks as a folder of PNGs: `<folder>/<class>/<X-ray>.png`, as JSRT/SCR and Montgomery have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from chexseg.data.images import MOST_PIXELS
from chexseg.data.x_ray_files import files_below
from chexseg.errors import Problems, near

GREY = ("1", "L", "I", "I;16")
"""Pillow's modes of PNGs that hold one number for each pixel, and no colour."""

REPORTED: Any = object()
"""Stands for a mask that cannot be read, which was reported."""


def id_of(path: str | PurePosixPath) -> str:
    """Returns the id of a file: its path without the suffix, `_` for `/`.

    >>> id_of("patient1/study2/view1_frontal.jpg")
    'patient1_study2_view1_frontal'
    """
    return "_".join(PurePosixPath(path).with_suffix("").parts)


def read_mask_folder(
    folder: str | Path, *, pathologies: Sequence[str], problems: Problems
) -> dict[str, dict[str, Any]]:
    """Reads masks from PNGs: in the folder of each class, a PNG for each X-ray.

    A PNG is grey: 0 is background, and one other value is the mask. The files of a class may be in
    further folders; they are then called as `id_of` says. Hidden files, and folders of other classes,
    are ignored.

    Args:
        folder: has a folder for each pathology.
        pathologies: the classes to read.
        problems: collects absent classes, files that are no such PNG, and two files of one X-ray.

    Returns:
        cxr_id -> pathology -> mask, for each X-ray that has a PNG of one or more classes; REPORTED for a
        PNG that is invalid and for a class that has no folder, and nothing for a PNG that is missing.
    """
    from chexseg.data.masks import encode

    there = tuple(sorted(path.name for path in Path(folder).iterdir() if path.is_dir()))
    masks: dict[str, dict[str, Any]] = {}
    absent = []
    for name in pathologies:
        place = Path(folder, name)
        if name not in there:
            meant = near(name, there)
            other = f"; the nearest name there is {meant!r}" if meant else ""
            remedy = f"Add it, or rename it as the class is called in data.pathologies{other}."
            problems.add(place, "no such folder", "a folder of PNGs for each class", remedy)
            absent.append(name)
            continue
        files: dict[str, Path] = {}
        for file in files_below(place):
            cxr_id = id_of(file.relative_to(place).as_posix())
            if cxr_id in files:
                found = f"another mask of {cxr_id}, beside {files[cxr_id].relative_to(place)}"
                problems.add(file, found, "one PNG for each X-ray", "Delete one of the two.")
                continue
            files[cxr_id] = file
            mask = _read(file, problems)
            masks.setdefault(cxr_id, {})[name] = REPORTED if mask is None else encode(mask)
    return {
        cxr_id: {**masks[cxr_id], **dict.fromkeys(absent, REPORTED)} for cxr_id in sorted(masks)
    }


def _read(file: Path, problems: Problems) -> np.ndarray | None:
    """Returns a mask, bool [H, W], or None after adding what is wrong with the file."""
    expected = "a grey PNG of 0 and one other value"
    try:
        with Image.open(file, formats=("PNG",)) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                found, remedy = f"{width} x {height} pixels", "Save the mask at the X-ray's size."
                problems.add(file, found, f"at most {MOST_PIXELS} pixels", remedy)
                return None
            if image.mode == "P":
                found = "a PNG with a palette, whose numbers stand for colours"
                remedy = "Save one grey PNG for each class: 0 for background, 255 for the mask."
                problems.add(file, found, expected, remedy)
                return None
            if image.mode not in GREY:
                found, remedy = f"a PNG in colour ({image.mode})", "Save it as grey, without alpha."
                problems.add(file, found, expected, remedy)
                return None
            values = np.asarray(image)
    except Exception as error:  # damaged bytes can make a decoder raise anything
        found = f"a file that is no PNG, or a damaged one ({error})"
        problems.add(file, found, expected, "Save the mask as PNG again.")
        return None
    mask = values > 0
    of_mask = values[mask]
    if len(of_mask) and (of_mask != of_mask[0]).any():
        found = f"{len(np.unique(values))} grey values, from {values.min()} to {values.max()}"
        remedy = "Cut it at one value, and save one PNG for each class without smoothing."
        problems.add(file, found, expected, remedy)
        return None
    return mask
