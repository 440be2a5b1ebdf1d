"""Most representative points of radiologists, read as masks of single pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from chexseg.data.annotations import check_spelling, points_of
from chexseg.data.masks import Rle, encode, load_json
from chexseg.errors import Problems
from chexseg.evaluation.overlaps import check_shared


def read_points(
    path: Path, truth: Mapping[str, Mapping[str, Rle]], *, pathologies: Sequence[str]
) -> dict[str, dict[str, Rle]]:
    """Reads CheXlocalize's file of most representative points, after checking all of them.

    Args:
        path: the JSON file, `{cxr_id: {pathology: [[x, y], ...]}}`, in pixels of the X-ray.
        truth: masks of the same X-rays, as from `read_masks`; they have the size.
        pathologies: those to read.

    Returns:
        cxr_id -> pathology -> mask of the pixels that the points fall in, for X-rays of the truth. A
        coordinate is cut to a whole number, as CheXlocalize's code does.

    Raises:
        InputError: the file is no such file, a point is outside its X-ray, or no X-ray is one of the
            truth.
    """
    problems, masks = Problems("masks"), {}
    content = load_json(path, problems)
    for cxr_id, entry in content.items():
        where = f"{path}:{cxr_id}"
        if not isinstance(entry, dict):
            remedy = "Write the file as CheXlocalize does."
            problems.add(where, "no mapping", "a mapping of pathologies to points", remedy)
            continue
        check_spelling(entry, where, pathologies, problems)
        size = next((tuple(rle["size"]) for rle in truth.get(cxr_id, {}).values()), None)
        if size is None:
            continue
        masks[cxr_id] = {}
        for name in pathologies:
            mask = _mask_of(entry.get(name, []), size)
            if mask is None:
                found, expected = (
                    "no points in the X-ray",
                    f"[[x, y], ...] within {list(size)[::-1]}",
                )
                problems.add(f"{where}:{name}", found, expected, "Correct the points.")
            else:
                masks[cxr_id][name] = mask
    problems.raise_if_any()
    check_shared((path,), (content,), truth)
    return masks


def _mask_of(points: object, size: tuple[int, int]) -> Rle | None:
    """Returns the pixels of some points as a mask, or None if they are no points in the X-ray."""
    found = points_of(points)
    if found is None:
        return None
    mask = np.zeros(size, bool)
    for x, y in found:
        if not (0 <= x < size[1] and 0 <= y < size[0]):
            return None
        mask[int(y), int(x)] = True
    return encode(mask)
