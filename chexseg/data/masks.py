"""Masks in CheXlocalize's JSON: `{cxr_id: {pathology: {"size": [h, w], "counts": COCO RLE}}}`.

Experts' masks may also be CheXlocalize's polygons, COCO's JSON or a folder of PNGs
(`chexseg.data.annotations`, `coco`, `mask_folders`).

A run-length encoding (RLE) counts pixels down the columns of a mask, alternating between background
and foreground and starting with background. COCO writes each count as text, up to six characters
of five bits each; from the fourth count on, it writes the difference to the count two before.
pycocotools reads past the end of a damaged code, so codes from a file are first checked here and
decoded with numpy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco

from chexseg.data.annotations import form_of, masks_of_polygons, refuse_points
from chexseg.data.coco import is_coco, masks_of_coco
from chexseg.data.layouts.chexpert import column_of
from chexseg.data.mask_folders import REPORTED, read_mask_folder
from chexseg.errors import Problems, near
from chexseg.files.atomic import atomic

MAX_SIDE = 50_000
"""Maximum side of a mask in pixels."""

MAX_PIXELS = 2**28
"""Maximum number of pixels of a mask: six characters encode any run of such a mask."""

_CODE = re.compile(r"(?:[P-o]{0,5}+[0-O])++")

Rle = dict[str, Any]
"""One mask: `size` [height, width] and `counts`, a compressed COCO run-length encoding."""

Fault = tuple[str, str, str]
"""What is wrong with a mask: (found, expected, remedy)."""


def encode(mask: np.ndarray) -> Rle:
    """Returns the run-length encoding of a mask, bool [H, W]."""
    code = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(mask.shape), "counts": code["counts"].decode("ascii")}


def encode_empty(size: Sequence[int]) -> Rle:
    """Returns the run-length encoding of a mask of [height, width] without any pixel."""
    code = coco.frPyObjects({"size": list(size), "counts": [size[0] * size[1]]}, *size)
    return {"size": list(size), "counts": code["counts"].decode("ascii")}


def decode(rle: Rle) -> np.ndarray:
    """Returns the mask, bool [H, W], of a code from `encode` or `read_masks`.

    It does not use pycocotools, which works pixel by pixel and is ten times slower.
    """
    runs = _run_lengths(rle["counts"])
    height, width = rle["size"]
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def area(rle: Rle) -> int:
    """Returns the number of pixels of a mask from `encode` or `read_masks`."""
    return int(coco.area(rle))


def _run_lengths(code: str) -> np.ndarray:
    """Returns the run lengths of a mask, int64 [R], background first.

    Args:
        code: compressed counts that match _CODE; if they are damaged, runs may be negative.
    """
    text = np.frombuffer(code.encode("ascii"), np.uint8) - 48
    stops = np.flatnonzero(text < 32)  # bit 5 is set if the value continues
    sizes = np.diff(stops, prepend=-1)
    starts = stops + 1 - sizes
    places = np.arange(len(text)) - np.repeat(starts, sizes)
    runs = np.add.reduceat((text & 31).astype(np.int64) << 5 * places, starts)
    negative = (text[stops] & 16) > 0
    runs[negative] -= 1 << 5 * sizes[negative]
    np.cumsum(runs[1::2], out=runs[1::2])
    np.cumsum(runs[2::2], out=runs[2::2])  # the first run is not a base for others
    return runs


def read_masks(
    path: str | Path,
    *,
    pathologies: Sequence[str],
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, dict[str, Rle]]:
    """Reads masks in any of the four formats, after checking all of them.

    Args:
        path: CheXlocalize's JSON, of masks or of polygons, known by `img_size`; COCO's JSON, known
            by its lists `images`, `categories` and `annotations`; or a folder with a folder of PNGs
            for each pathology.
        pathologies: the ones that every X-ray of the file must have; others are ignored.
        sizes: cxr_id -> (height, width) of the X-rays, which masks must match; X-rays that are
            not listed are not compared.

    Returns:
        cxr_id -> pathology -> mask, in the order of the file and of `pathologies`. Uncompressed
        counts (a list) are compressed. An X-ray that is not in the file has no mask:
        CheXlocalize omits X-rays without a positive label. In COCO's JSON and among polygons, an
        image without an annotation of a category has an empty mask of it.

    Raises:
        InputError: lists everything that is wrong with the file, as `file:cxr_id:pathology`.
    """
    problems = Problems("masks")
    content = _content(path, pathologies, sizes or {}, problems)
    masks = {}
    for cxr_id, entry in content.items():
        where = f"{path}:{cxr_id}"
        if not isinstance(entry, dict):
            problems.add(
                where, _kind(entry), "a mapping of pathologies to masks",
                "Write the file as CheXlocalize does.",
            )  # fmt: skip
            continue
        _check_names(entry, where, tuple(pathologies), problems)
        size = sizes.get(cxr_id) if sizes else None
        present = {name: entry[name] for name in pathologies if name in entry}
        masks[cxr_id] = {}
        for name, rle in present.items():
            if rle is REPORTED:
                continue
            mask = mask_of(rle, size)
            if isinstance(mask, tuple):
                problems.add(f"{where}:{name}", *mask)
            else:
                masks[cxr_id][name] = mask
    problems.raise_if_any()
    return masks


def write_masks(path: str | Path, masks: Mapping[str, Mapping[str, Rle]]) -> None:
    """Writes masks as CheXlocalize's JSON, sorted by name so that equal masks give equal bytes.

    Args:
        path: the JSON file.
        masks: cxr_id -> pathology -> mask, as from `encode`.
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(masks, sort_keys=True) + "\n", encoding="utf-8")


def mask_of(rle: Any, size: tuple[int, int] | None = None) -> Rle | Fault:
    """Returns a mask of a file with compressed counts, or what is wrong with it.

    Args:
        rle: what the file says.
        size: height and width that it must have, if they are known.
    """
    return _find_format_fault(rle) or _find_size_fault(rle, size) or _compress(rle)


def _content(
    path: str | Path,
    pathologies: Sequence[str],
    sizes: Mapping[str, tuple[int, int]],
    problems: Problems,
) -> dict[str, Any]:
    """Returns the masks of a file or folder, in the form of CheXlocalize's JSON."""
    if Path(path).is_dir():
        return read_mask_folder(path, pathologies=pathologies, problems=problems)
    content = load_json(path, problems)
    if is_coco(content):
        return masks_of_coco(content, path, pathologies=pathologies, problems=problems)
    form = form_of(content)
    if form == "polygons":
        return masks_of_polygons(
            content,
            path,
            pathologies=pathologies,
            sizes=sizes,
            problems=problems,
        )
    if form == "points":
        refuse_points(path, problems)
        return {}
    return content


def fault_of_size(size: Any, expected: tuple[int, int] | None = None) -> Fault | None:
    """Returns what is wrong with the size of a mask, which must be `expected` if given, or None."""
    mask = {"size": size, "counts": ""}
    return _find_format_fault(mask) or _find_size_fault(mask, expected)


def load_json(path: str | Path, problems: Problems) -> dict[str, Any]:
    """Returns the JSON object of a file, or an empty one after adding a problem."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for name in {name for name, _ in pairs} if len(dict(pairs)) < len(pairs) else ():
            if sum(other == name for other, _ in pairs) > 1:
                problems.add(path, f"{name!r} twice", "each name once", "Delete one of the two.")
        return dict(pairs)

    try:
        content = json.loads(Path(path).read_bytes(), object_pairs_hook=unique)
    except OSError as error:
        problems.add(
            path, error.strerror or str(error), "a JSON file of masks", "Correct the path."
        )
    except (ValueError, RecursionError) as error:
        problems.add(path, f"invalid JSON ({error})", "CheXlocalize's JSON", "Replace the file.")
    else:
        if isinstance(content, dict):
            return content
        problems.add(
            path, _kind(content), "a mapping of X-rays to masks",
            "Write the file as CheXlocalize does.",
        )  # fmt: skip
    return {}


def _check_names(
    entry: dict[str, Any], where: str, pathologies: tuple[str, ...], problems: Problems
) -> None:
    """Adds a problem for each pathology that an X-ray lacks, with a name that may be meant for it."""
    others = tuple(name for name in entry if name not in pathologies)
    for name in pathologies:
        if name not in entry:
            remedy = "Add it; use an empty mask if the finding is absent."
            if meant := near(column_of(name), others) or near(name, others):
                remedy += f" Or rename it; the nearest name there is {meant!r}."
            problems.add(f"{where}:{name}", "no mask", "one mask for each pathology", remedy)


def _find_format_fault(rle: Any) -> Fault | None:
    """Returns what is wrong with the format of a mask, or None."""
    if not isinstance(rle, dict) or not {"size", "counts"} <= rle.keys():
        expected = 'a mask {"size": [height, width], "counts": ...}'
        return _kind(rle), expected, "Write the mask as pycocotools encodes it."
    size, counts = rle["size"], rle["counts"]
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size)):
        return f"size {str(size)[:40]}", "[height, width] in whole pixels", "Correct the size."
    if not all(0 < side <= MAX_SIDE for side in size) or size[0] * size[1] > MAX_PIXELS:
        expected = f"sides of 1 to {MAX_SIDE} px, at most {MAX_PIXELS} pixels"
        return f"size {size}", expected, "Correct the size."
    if not isinstance(counts, str | list):
        return f"counts that are {_kind(counts)}", "text or a list", "Encode the mask again."
    return None


def _find_size_fault(rle: Rle, expected: tuple[int, int] | None) -> Fault | None:
    """Returns how the size of a mask differs from its X-ray, or None."""
    size = tuple(rle["size"])
    if expected is None or size == tuple(expected):
        return None
    transposed = size == tuple(expected)[::-1]
    remedy = "Height and width are swapped: transpose the mask." if transposed else "Resize it."
    return f"size {list(size)}", f"{list(expected)}, the size of the X-ray", remedy


def _compress(rle: Rle) -> Rle | Fault:
    """Returns a mask of valid format with compressed counts, or what is wrong with its counts."""
    size, code = rle["size"], rle["counts"]
    damaged = "damaged counts", "a COCO run-length encoding", "Encode the mask again."
    if isinstance(code, list):
        if not code or not all(type(run) is int and 0 <= run <= MAX_PIXELS for run in code):
            return damaged
        code = coco.frPyObjects(rle, *size)["counts"].decode("ascii")
    runs = _run_lengths(code) if _CODE.fullmatch(code) else None
    if runs is None or (runs < 0).any():
        return damaged
    if runs.sum() != size[0] * size[1]:
        expected = f"{size[0] * size[1]}, according to size"
        return f"counts of {runs.sum()} pixels", expected, "Encode the mask again."
    mask = {"size": size, "counts": code}
    # Only the first run may be empty: pycocotools.merge reads out of bounds on any other.
    return mask if runs[1:].all() else encode(decode(mask))


def _kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", type(None): "null"}
    return names.get(type(value), "a number")
