"""Radiologists' raw annotations in CheXlocalize's JSON: polygons, and most representative points.

An entry of a file of polygons is `{"img_size": [height, width], pathology: [polygon, ...]}`, with the
pathologies that the X-ray has; a polygon is a list of points [x, y] in pixels. A file of points has a
list of points for each pathology, and may leave out `img_size`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from chexseg.data.layouts.chexpert import column_of
from chexseg.data.mask_folders import REPORTED
from chexseg.errors import Problems, near

if TYPE_CHECKING:
    from chexseg.data.masks import Fault, Rle

SIZE = "img_size"
"""Key of an entry of annotations: [height, width] of the X-ray."""

FARTHEST = 10**6
"""Maximum coordinate of a point in pixels."""


def form_of(content: Mapping[str, Any]) -> str:
    """Returns what a file of CheXlocalize's JSON holds: "masks", "polygons" or "points".

    The first annotation that is not empty tells. Without any, a file whose entries have `img_size`
    holds polygons, and any other file masks.
    """
    form = "masks"
    for entry in content.values():
        if not isinstance(entry, dict):
            continue
        form = "polygons" if SIZE in entry else form
        for name, value in entry.items():
            if name == SIZE or not isinstance(value, list) or not value:
                continue
            first = value[0][0] if isinstance(value[0], list) and value[0] else None
            if isinstance(first, list):
                return "polygons"
            if type(first) in (int, float):
                return "points"
    return form


def masks_of_polygons(
    content: Mapping[str, Any],
    path: str | Path,
    *,
    pathologies: Sequence[str],
    sizes: Mapping[str, tuple[int, int]],
    problems: Problems,
) -> dict[str, Any]:
    """Draws the polygons of a file.

    Args:
        content: of the file.
        path: the file, for messages.
        pathologies: those to draw; others are ignored, unless their name may be meant for one of them.
        sizes: cxr_id -> (height, width) that `img_size` must match, of the X-rays that are known.
        problems: collects what is wrong.

    Returns:
        cxr_id -> pathology -> mask, empty for a pathology without polygons. What is no mapping stays
        as it is.
    """
    from chexseg.data.masks import fault_of_size

    masks: dict[str, Any] = {}
    for cxr_id, entry in content.items():
        masks[cxr_id], where = entry, f"{path}:{cxr_id}"
        if not isinstance(entry, dict):
            continue
        masks[cxr_id] = dict.fromkeys(pathologies, REPORTED)
        if fault := fault_of_size(entry.get(SIZE), sizes.get(cxr_id)):
            problems.add(f"{where}:{SIZE}", *fault)
            continue
        check_spelling(entry, where, pathologies, problems)
        for name in pathologies:
            mask = draw_polygons(entry.get(name, []), tuple(entry[SIZE]))
            if isinstance(mask, tuple):
                problems.add(f"{where}:{name}", *mask)
            else:
                masks[cxr_id][name] = mask
    return masks


def refuse_points(path: str | Path, problems: Problems) -> None:
    """Adds the problem of a file of points where masks are needed."""
    problems.add(
        path, "most representative points", "masks or polygons",
        "Provide the file of masks; points can only be what `chexseg evaluate --pred` scores.",
    )  # fmt: skip


def draw_polygons(polygons: Any, size: tuple[int, int]) -> Rle | Fault:
    """Returns the mask of polygons, or what is wrong with them.

    Args:
        polygons: of one pathology, possibly none.
        size: height and width.

    Source: `create_mask` in CheXlocalize's code: Pillow's polygons, with their outlines.
    """
    from chexseg.data.masks import encode, encode_empty

    expected = "a list of polygons: [[[x, y], ...], ...]"
    remedy = "Write them as CheXlocalize does."
    if not isinstance(polygons, list):
        return "no list", expected, remedy
    if not polygons:
        return encode_empty(size)
    picture = Image.new("1", size[::-1])
    pen = ImageDraw.Draw(picture)
    for polygon in polygons:
        points = points_of(polygon)
        if points is None or len(points) < 2:
            return f"a polygon {str(polygon)[:40]}", expected, remedy
        pen.polygon(points, outline=1, fill=1)
    return encode(np.asarray(picture))


def points_of(points: Any) -> list[tuple[float, float]] | None:
    """Returns points as (x, y), or None if a value is no list of points."""
    if not isinstance(points, list):
        return None
    found = []
    for point in points:
        if not isinstance(point, list) or len(point) < 2:
            return None
        x, y = point[:2]
        if not all(type(each) in (int, float) and math.isfinite(each) for each in (x, y)):
            return None
        if max(abs(x), abs(y)) > FARTHEST:
            return None
        found.append((x, y))
    return found


def check_spelling(
    entry: Mapping[str, Any], where: str, pathologies: Sequence[str], problems: Problems
) -> None:
    """Adds a problem for each name in an entry of annotations that may be meant for another.

    A pathology without annotations is absent from the X-ray, so a misspelt name would count as that.
    """
    absent = tuple(name for name in pathologies if name not in entry)
    for name in entry:
        if name not in pathologies and name != SIZE and (meant := meant_by(name, absent)):
            expected = f"{meant!r}, which this X-ray does not have"
            problems.add(f"{where}:{name}", f"the name {name!r}", expected, "Rename it.")


def meant_by(name: str, pathologies: Sequence[str]) -> str | None:
    """Returns the pathology that a name may stand for: spelt alike, or its column in CheXpert."""
    for pathology in pathologies:
        if column_of(pathology).lower() == name.strip().lower():
            return pathology
    return near(name, pathologies)
