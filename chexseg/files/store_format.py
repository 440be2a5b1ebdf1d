"""The format of a store, and the check that a file follows it before anything is read from it."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass

import h5py
import numpy as np

SCHEMA, VERSION = "chexseg-store", 1

MOST_BYTES = 2**28
"""Maximum size of one array in bytes. Ten maps of 2048 x 2048 pixels take 2**27."""

WIDEST_ID = 256
"""Maximum length of an id in bytes, about that of a file name."""

_TEXT_ON_DISK = np.dtype([("bytes", "<u4"), ("place", "V12")])
"""How HDF5 stores a variable-length string in an array: its length and its location."""


@dataclass(frozen=True)
class Kind:
    """Describes the items of a store.

    Attributes:
        dtype: dtype of the arrays.
        axes: names of the axes of one item: S is the side of the letterboxed square, h and w are
            the sides of a coarser grid, C counts classes; T is 2: pixels outside the truth, and
            inside; K counts ranges of probabilities.
        meaning: human-readable description of an item.
        bits: whether items are masks, packed to bits along their last axis.
    """

    dtype: str
    axes: tuple[str, ...]
    meaning: str
    bits: bool = False

    def __str__(self) -> str:
        return f"[{', '.join(self.axes)}] {self.meaning}"


KINDS = {
    "images": Kind("uint8", ("S", "S"), "letterboxed grey X-ray"),
    "masks": Kind("uint8", ("C", "S", "S"), "masks of the classes", bits=True),
    "mask_levels": Kind("uint8", ("C", "S", "S"), "0 to 254: probability x 254; 255: not known"),
    "saliency": Kind("float16", ("C", "h", "w"), "raw maps at their native resolution"),
    "affinity_labels": Kind("uint8", ("C", "h", "w"), "1 foreground, 0 background, 255 unsure"),
    "affinity": Kind("float16", ("h", "w"), "edge probability"),
    "histograms": Kind(
        "uint32", ("C", "T", "K"), "pixels of each range of probabilities, by truth"
    ),
}

MASK_KINDS = ("masks", "mask_levels")
"""Kinds of stores that teach segmenters: masks that are certain, and masks that are not."""

CERTAIN, UNKNOWN = 254, 255
"""Levels of a pixel that surely belongs to a class, and of one of which nothing is known."""


def find_mismatch(file: h5py.File, *kinds: str) -> tuple[str, str] | None:
    """Returns (found, expected) if a shard breaks the format, else None. Reads no array.

    Args:
        file: the shard.
        kinds: the kinds that it may be of.
    """
    for name in file.attrs:
        form = file.attrs.get_id(name)  # a list of strings may be far larger than the file
        if form.shape != () or not (
            h5py.check_string_dtype(form.dtype) or form.dtype.kind in "iub"
        ):
            return f"a {name} that is neither text nor a number", "the attributes of a store"
    schema, version = file.attrs.get("schema"), file.attrs.get("version")
    if schema != SCHEMA or version != VERSION:
        return f"schema {schema}, version {version}", f"schema {SCHEMA}, version {VERSION}"
    kind = file.attrs.get("kind")
    if kind not in kinds:
        return f"a store of {kind}", f"a store of {' or '.join(kinds)}"
    if not file.attrs.get("complete"):
        return "an incomplete store", "a complete one"
    names = [name for name in ("id", "values") if name in file]
    for name in names:
        if not _is_stored_inside(file, name):
            return f"{name} stored outside the file", "arrays inside the file"
    n_items = len(file["id"]) if "id" in names and file["id"].ndim == 1 else -1
    # An id takes 16 bytes in the file plus its text: do not read more ids than can fit.
    if not 0 <= n_items <= os.path.getsize(file.filename) // 16:
        return "no list of ids", "one id per X-ray"
    if bad := _find_bad_ids(file["id"]):
        return bad, f"variable-length strings of at most {WIDEST_ID} bytes"
    if bad := _find_bad_measures(file, n_items):
        return bad, f"float32 numbers for each map of {n_items} X-rays"
    if "values" not in names:
        return ("no values", f"{n_items} arrays") if n_items else None
    values, of_kind = file["values"], KINDS[kind]
    dimensions = 1 + len(of_kind.axes)
    if values.dtype != of_kind.dtype or values.ndim != dimensions or len(values) != n_items:
        found = f"values of {values.dtype} {list(values.shape)}"
        return found, f"{of_kind.dtype}, {n_items} times {of_kind}"
    if (
        values.chunks != (1, *values.shape[1:])
        or values.dtype.itemsize * math.prod(values.chunks) > MOST_BYTES
    ):
        return f"chunks of {values.chunks}", f"one array per chunk, at most {MOST_BYTES} bytes"
    meta = json.loads(file.attrs["meta"])
    columns = meta.get("columns")
    if of_kind.bits and not (type(columns) is int and -(-columns // 8) == values.shape[-1]):
        return f"masks of {columns} columns in {values.shape[-1]} bytes", "8 columns per byte"
    return None


def _find_bad_measures(file: h5py.File, n_items: int) -> str | None:
    """Returns what is wrong with the numbers of each map; see `chexseg.files.measures`."""
    if "measures" not in file:
        return None
    if not isinstance(file.get("measures", getlink=True), h5py.HardLink):
        return "measures stored outside the file"
    if not isinstance(group := file["measures"], h5py.Group):
        return "measures that are no group"
    for name in group:
        if not _is_stored_inside(group, name):
            return f"{name!r} stored outside the file"
        shape = group[name].shape
        if group[name].dtype != "float32" or len(shape) != 2 or shape[0] != n_items:
            return f"{name!r} of {group[name].dtype} {list(shape)}"
        if group[name].nbytes > MOST_BYTES:
            return f"{name!r} of {group[name].nbytes} bytes"
    return None


def _find_bad_ids(ids: h5py.Dataset) -> str | None:
    """Returns what is wrong if ids are not strings of bounded length; does not read them.

    Reading them first would be too late: a thousand ids may share one string as long as the file.
    """
    text = h5py.check_string_dtype(ids.dtype)
    if text is None or text.length is not None:
        return f"ids of type {ids.dtype}"
    if len(ids) == 0:
        return None
    start, size = ids.id.get_offset(), ids.id.get_storage_size()
    if start is None or size != len(ids) * _TEXT_ON_DISK.itemsize:
        return "packed ids"
    lengths = np.fromfile(ids.file.filename, _TEXT_ON_DISK, len(ids), offset=start)["bytes"]
    return f"an id of {lengths.max()} bytes" if lengths.max() > WIDEST_ID else None


def _is_stored_inside(file: h5py.Group, name: str) -> bool:
    """Returns whether an array is stored in this file with no filters but HDF5's own."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        return False
    filters = dataset.id.get_create_plist()
    used = {filters.get_filter(number)[0] for number in range(filters.get_nfilters())}
    return used <= {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}
