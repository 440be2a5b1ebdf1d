"""Masks in CheXlocalize's JSON: `{cxr_id: {pathology: {"size": [h, w], "counts": COCO RLE}}}`.

A run-length encoding (RLE) counts pixels down the columns of a mask, alternating between background
and foreground and starting with background. COCO writes each count as text, up to six characters
of five bits each; from the fourth count on, it writes the difference to the count two before.
pycocotools reads past the end of a damaged code, so codes from a file are first checked here and
decoded with numpy. A file of polygons (see `chexseg.data.annotations`) is read as masks, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco

from chexseg.data.annotations import SIZE, Fault, check_spelling, draw_polygons, form_of
from chexseg.data.layouts.chexpert import column_of
from chexseg.errors import Problems, near
from chexseg.files.atomic import atomic

MAX_SIDE = 50_000
"""Maximum side of a mask in pixels."""

MAX_PIXELS = 2**28
"""Maximum number of pixels of a mask: six characters encode any run of such a mask."""

_CODE = re.compile(r"(?:[P-o]{0,5}+[0-O])++")

Rle = dict[str, Any]
"""One mask: `size` [height, width] and `counts`, a compressed COCO run-length encoding."""


def encode(mask: np.ndarray) -> Rle:
    """Returns the run-length encoding of a mask, bool [H, W]."""
    code = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(mask.shape), "counts": code["counts"].decode("ascii")}


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
    """Reads masks in CheXlocalize's JSON, or polygons, after checking all of them.

    Args:
        path: the JSON file.
        pathologies: the ones that every X-ray of the file must have; others are ignored. Of polygons,
            an X-ray has only those of the pathologies that it shows; its other masks are empty.
        sizes: cxr_id -> (height, width) of the X-rays, which masks must match; X-rays that are
            not listed are not compared.

    Returns:
        cxr_id -> pathology -> mask, in the order of the file and of `pathologies`. Uncompressed
        counts (a list) are compressed. An X-ray that is not in the file has no mask:
        CheXlocalize omits X-rays without a positive label.

    Raises:
        InputError: lists everything that is wrong with the file, as `file:cxr_id:pathology`.
    """
    problems = Problems("masks")
    content = load_json(path, problems)
    form = form_of(content)
    if form == "points":
        _refuse_points(path, problems)
        content = {}
    masks = {}
    for cxr_id, entry in content.items():
        where = f"{path}:{cxr_id}"
        if not isinstance(entry, dict):
            problems.add(
                where, _kind(entry), "a mapping of pathologies to masks",
                "Write the file as CheXlocalize does.",
            )  # fmt: skip
            continue
        size = sizes.get(cxr_id) if sizes else None
        read = _drawn if form == "polygons" else _decoded
        masks[cxr_id] = read(entry, where, tuple(pathologies), size, problems)
    problems.raise_if_any()
    return masks


def _decoded(
    entry: dict[str, Any],
    where: str,
    pathologies: tuple[str, ...],
    size: tuple[int, int] | None,
    problems: Problems,
) -> dict[str, Rle]:
    """Returns the masks of an X-ray: pathology -> mask, for those that have no problem."""
    _check_names(entry, where, pathologies, problems)
    masks = {}
    for name in pathologies:
        if name in entry:
            rle = entry[name]
            mask = find_format_fault(rle) or find_size_fault(rle, size) or _compress(rle)
            if isinstance(mask, tuple):
                problems.add(f"{where}:{name}", *mask)
            else:
                masks[name] = mask
    return masks


def _drawn(
    entry: dict[str, Any],
    where: str,
    pathologies: tuple[str, ...],
    size: tuple[int, int] | None,
    problems: Problems,
) -> dict[str, Rle]:
    """Returns the masks of an X-ray that has polygons, like `_decoded`."""
    canvas = {"size": entry.get(SIZE), "counts": ""}
    if fault := find_format_fault(canvas) or find_size_fault(canvas, size):
        problems.add(f"{where}:{SIZE}", *fault)
        return {}
    check_spelling(entry, where, pathologies, problems)
    masks = {}
    for name in pathologies:
        mask = draw_polygons(entry.get(name, []), tuple(entry[SIZE]))
        if isinstance(mask, tuple):
            problems.add(f"{where}:{name}", *mask)
        else:
            masks[name] = mask
    return masks


def _refuse_points(path: str | Path, problems: Problems) -> None:
    problems.add(
        path, "most representative points", "masks or polygons",
        "Provide the file of masks; points can only be what `chexseg evaluate --pred` scores.",
    )  # fmt: skip


def write_masks(path: str | Path, masks: Mapping[str, Mapping[str, Rle]]) -> None:
    """Writes masks as CheXlocalize's JSON, sorted by name so that equal masks give equal bytes.

    Args:
        path: the JSON file.
        masks: cxr_id -> pathology -> mask, as from `encode`.
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(masks, sort_keys=True) + "\n", encoding="utf-8")


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


def find_format_fault(rle: Any) -> Fault | None:
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


def find_size_fault(rle: Rle, expected: tuple[int, int] | None) -> Fault | None:
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
