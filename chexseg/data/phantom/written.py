"""Writes tables and masks of the phantom."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from chexseg.data.masks import Rle, encode
from chexseg.data.phantom.geometry import Mask


def encode_masks(
    masks: dict[str, Mask], names: tuple[str, ...], size: tuple[int, int]
) -> dict[str, Rle]:
    """Returns COCO run-length encodings of all `names`; a missing mask is all zero."""
    empty = np.zeros(size, dtype=bool)
    return {name: encode(masks.get(name, empty)) for name in names}


def write_csv(path: Path, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_json(path: Path, entries: dict[str, object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(entries), encoding="utf-8")
