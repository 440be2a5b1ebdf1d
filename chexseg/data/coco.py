"""Masks in COCO's JSON: `images`, `categories`, and `annotations` with polygons or run lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask as coco

from chexseg.data.mask_folders import REPORTED, id_of
from chexseg.errors import Problems, near

if TYPE_CHECKING:
    from chexseg.data.masks import Rle

PARTS = {
    "images": ("id", "file_name", "height", "width"),
    "categories": ("id", "name"),
    "annotations": ("image_id", "category_id", "segmentation"),
}
"""Lists of a file -> the keys that each of their entries must have."""

BEYOND = 1.0
"""Pixels by which a polygon may leave its image; they are cut off. Tools round, or draw on the edge."""

FAR = 1e9
"""No coordinate is as large; NaN and infinity are not smaller, either."""


def is_coco(content: Mapping[str, Any]) -> bool:
    """Returns whether the content of a JSON file is COCO's, not CheXlocalize's."""
    return all(isinstance(content.get(part), list) for part in PARTS)


def masks_of_coco(
    content: Mapping[str, Any], path: str | Path, *, pathologies: Sequence[str], problems: Problems
) -> dict[str, dict[str, Any]]:
    """Converts the content of a COCO file: the union of all annotations of an image and category.

    Args:
        content: of the file; see `is_coco`.
        path: the file, for messages.
        pathologies: names of the categories to read; others are ignored.
        problems: collects entries without a needed key, unknown or repeated ids, categories that are
            missing, and polygons that are none or lie outside their image.

    Returns:
        cxr_id -> pathology -> mask, for every image of the file; an image without an annotation of a
        category has an empty mask of it. The id is `file_name` without its suffix, `_` for `/`.
    """
    parts = {part: _entries(content[part], part, path, problems) for part in PARTS}
    categories = {entry["id"]: entry["name"] for entry in parts["categories"].values()}
    names = tuple(str(name) for name in categories.values())
    for name in pathologies:
        if name not in names:
            meant = near(name, names)
            remedy = "Add it, or correct data.pathologies."
            remedy += f" The nearest there is {meant!r}." if meant else ""
            problems.add(f"{path}:categories", f"no {name!r}", "a category for each class", remedy)
    images = {entry["id"]: entry for entry in parts["images"].values()}
    drawn: dict[tuple[Any, str], list[Rle]] = {}
    for number, entry in parts["annotations"].items():
        where = f"{path}:annotations[{number}]"
        image, name = images.get(entry["image_id"]), categories.get(entry["category_id"])
        if image is None or name is None:
            key, part = ("image_id", "images") if image is None else ("category_id", "categories")
            found, remedy = f"{key} {entry[key]!r}, which {part} lack", "Correct the id."
            problems.add(where, found, f"an id of {part}", remedy)
        elif name in pathologies:
            size = image["height"], image["width"]
            drawn.setdefault((image["id"], name), []).extend(
                _codes(entry["segmentation"], size, where, problems)
            )
    masks: dict[str, dict[str, Any]] = {}
    for number, image in parts["images"].items():
        cxr_id, size = id_of(image["file_name"]), [image["height"], image["width"]]
        if cxr_id in masks:
            found, remedy = f"{image['file_name']!r} again", "Delete one of the two."
            problems.add(f"{path}:images[{number}]", found, "each image once", remedy)
        masks[cxr_id] = {
            name: _union(drawn.get((image["id"], name), []), size) if name in names else REPORTED
            for name in pathologies
        }
    return masks


def _entries(listed: list, part: str, path: str | Path, problems: Problems) -> dict[int, dict]:
    """Returns the valid entries of a list by their number, after adding what is wrong with others."""
    found, ids = {}, set()
    for number, entry in enumerate(listed):
        where, keys = f"{path}:{part}[{number}]", PARTS[part]
        if not isinstance(entry, dict) or (absent := [key for key in keys if key not in entry]):
            what = f"no {absent[0]!r}" if isinstance(entry, dict) else "no mapping"
            problems.add(where, what, ", ".join(keys), "Write the file as COCO's tools do.")
            continue
        fault = _fault_of_image(entry) if part == "images" else None
        if fault:
            problems.add(where, *fault)
            continue
        own = [entry[key] for key in keys if key.endswith("id")]
        if any(not isinstance(each, int | str) for each in own):
            problems.add(where, f"ids {own}", "numbers or text", "Correct the ids.")
            continue
        if "id" in keys and entry["id"] in ids:
            problems.add(where, f"id {entry['id']!r} again", "each id once", "Correct the id.")
            continue
        ids.add(entry.get("id") if "id" in keys else number)
        found[number] = entry
    return found


def _fault_of_image(image: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Returns what is wrong with name or size of an image: found, expected, remedy."""
    from chexseg.data.masks import fault_of_size

    name = image["file_name"]
    if not isinstance(name, str) or not PurePosixPath(name).name:
        return f"file_name {name!r}", "the path of an X-ray", "Correct the name."
    return fault_of_size([image["height"], image["width"]])


def _codes(shape: Any, size: tuple[int, int], where: str, problems: Problems) -> list[Rle]:
    """Returns the run lengths of an annotation: of each polygon, or its own."""
    if isinstance(shape, dict):
        from chexseg.data.masks import mask_of

        code = mask_of(shape, size)
        if isinstance(code, tuple):
            problems.add(where, *code)
            return []
        return [code]
    codes = []
    polygons = shape if isinstance(shape, list) else []
    if not polygons:
        problems.add(where, "no segmentation", "polygons, or a run-length encoding", "Delete it.")
    for polygon in polygons:
        fault = _fault(polygon, size)
        if fault:
            problems.add(where, *fault)
            continue
        points = np.asarray(polygon, np.float64).reshape(-1, 2).clip(0, size[::-1])
        codes += coco.frPyObjects([points.ravel().tolist()], *size)
    return [{"size": list(size), "counts": code["counts"].decode("ascii")} for code in codes]


def _fault(polygon: Any, size: tuple[int, int]) -> tuple[str, str, str] | None:
    """Returns what is wrong with a polygon: found, expected, remedy."""
    numbers = isinstance(polygon, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) and abs(each) < FAR
        for each in polygon
    )
    if not numbers or len(polygon) < 6 or len(polygon) % 2:
        expected = "[x1, y1, x2, y2, x3, y3, ...] in pixels"
        return f"a polygon {str(polygon)[:40]}", expected, "Correct the polygon, or delete it."
    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    beyond = np.maximum(-points, points - size[::-1]).max()
    if beyond > BEYOND:
        height, width = size
        expected = f"points inside the image of {width} x {height} pixels (up to {BEYOND:g} beyond)"
        found = f"a polygon that leaves the image by {beyond:.1f} pixels"
        return found, expected, "Scale the polygon to the size of the X-ray, or correct it."
    return None


def _union(codes: Sequence[Rle], size: list[int]) -> Rle:
    """Returns the mask of all codes together; without any, an empty one."""
    from chexseg.data.masks import encode_empty

    if not codes:
        return encode_empty(size)
    merged = coco.merge([{**code, "counts": code["counts"].encode()} for code in codes])
    return {"size": size, "counts": merged["counts"].decode("ascii")}
